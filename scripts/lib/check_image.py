"""Checks that two containers of the image form one installation.

    check_image.py URL OTHER_URL

For scripts/check-image: two users sign up, each on another instance, and exchange messages
that arrive on sockets. Uses only the standard library.
"""

import sys

from client import Client


def check_delivery(sender, receiver, socket):
    """Sends a message through the sender's instance and awaits it on the receiver's socket."""
    content = f"from {sender.name} to {receiver.name}"
    sender.request("POST", "/api/messages/", {"receiver_id": receiver.id, "content": content}).expect(201)
    socket.read_until(content.encode())
    print(f"delivered: {content}")


def main(url, other_url):
    users = [Client(at).sign_up(name, "correct horse") for at, name in ((url, "ada"), (other_url, "bob"))]
    sockets = [user.client.open_socket(token=user.access) for user in users]
    for sender, receiver in ((0, 1), (1, 0)):
        check_delivery(users[sender], users[receiver], sockets[receiver])
    for socket in sockets:
        socket.close()


main(*sys.argv[1:])
