//! `docs/asyncapi.yaml` describes every close code of the socket and every refusal of a
//! handshake, and only those.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{
    Handshake, Instance, Person, Response, SECRET_KEY, Socket, Stage, Standalone, claims, description, forge,
    seconds_now,
};

/// The closes and refusals that the tests have met.
#[derive(Default)]
struct Seen {
    closes: BTreeSet<(u16, String)>,
    refusals: BTreeSet<(u16, String)>,
}

impl Seen {
    async fn closed(&mut self, mut socket: Socket) {
        self.closes.insert(socket.closed().await);
    }

    /// A client of this protocol receives a close code; for others the handshake fails.
    async fn refused_in_both_forms(&mut self, mut handshake: impl FnMut() -> Handshake) {
        let socket = handshake().subprotocols("numeneon.v1").upgrade().await.expect("an upgrade");
        self.closed(socket).await;
        self.refused(handshake()).await;
    }

    async fn refused(&mut self, handshake: Handshake) {
        let error = handshake.upgrade().await.err().expect("a refusal");
        let Error::Http(response) = error else { panic!("{error}") };
        let body = response.body().as_deref().unwrap_or_default();
        let refusal = description().check_refusal(response.status().as_u16(), response.headers(), body);
        self.refusals.insert(refusal);
    }

    fn responded(&mut self, response: &Response) {
        let refusal =
            description().check_refusal(response.status, &response.headers, response.text.as_bytes());
        self.refusals.insert(refusal);
    }

    /// Meets the refusals of clients without a valid token or ticket.
    async fn unauthenticated(&mut self, stage: &Stage) {
        let [ada, bob, cleo] = stage.people(["ada", "bob", "cleo"]).await;
        let ticket = stage.here().post("/api/auth/ws-ticket/").by(&bob).await.is(201);
        let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
        stage.here().handshake().query("ticket", &ticket).open().await.close().await;
        // At once: tickets expire after half a minute.
        self.refused_in_both_forms(|| stage.here().handshake().query("ticket", &ticket)).await;
        let socket = stage.here().socket(&ada).await;
        stage.here().post("/api/auth/logout/all/").by(&ada).await.is(200);
        self.closed(socket).await;
        stage.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", cleo.id));
        let forged = |name: &str, value: Value, token_type: &str| {
            let mut claims = claims(bob.id);
            claims["token_type"] = json!(token_type);
            claims[name] = value;
            forge(SECRET_KEY, &claims)
        };
        let past = json!(seconds_now() - 1);
        for (name, value) in [
            ("other", String::new()),
            ("token", "junk".into()),
            ("token", forged("exp", past.clone(), "access")),
            ("token", ada.access),
            ("token", forged("user_id", json!((cleo.id + 100).to_string()), "access")),
            ("token", cleo.access),
            ("ticket", "junk".into()),
            ("ticket", forged("exp", past, "ticket")),
        ] {
            self.refused_in_both_forms(|| stage.here().handshake().query(name, &value)).await;
        }
    }

    /// Meets the refusals of clients that exceed a limit.
    async fn over_a_limit(&mut self, instance: &Instance, people: &[Person; 3]) {
        let mut addresses = (1..).map(|number| format!("203.0.113.{number}"));
        let mut handshake = |person: &Person| {
            let address = addresses.next().expect("an address");
            instance.handshake().header("x-forwarded-for", &address).token(&person.access)
        };
        let [ada, bob, cleo] = people;
        let mut adas = handshake(ada).open().await;
        self.refused_in_both_forms(|| handshake(ada).header("x-forwarded-for", "203.0.113.1")).await;
        self.refused_in_both_forms(|| handshake(ada)).await;
        let _bobs = handshake(bob).open().await;
        self.refused_in_both_forms(|| handshake(cleo)).await;
        adas.send_text("1").await;
        adas.send_text("2").await;
        self.closed(adas).await;
    }

    /// Meets the refusals of clients that violate the protocol.
    async fn protocol_errors(&mut self, instance: &Instance, person: &Person) {
        let not_utf_8 = Frame::message(b"\xff\xfe".to_vec(), OpCode::Data(Data::Text), true);
        for frame in [
            Message::Binary(b"{}".to_vec().into()),
            Message::text("1".repeat(65_537)),
            Message::Frame(not_utf_8),
        ] {
            let mut socket = instance.socket(person).await;
            socket.send(frame).await;
            self.closed(socket).await;
        }
        let handshake = || instance.handshake().token(&person.access);
        self.refused(handshake().query("cursor", "x")).await;
        self.refused(handshake().header("host", "evil.example")).await;
        let path = format!("/ws/notifications/?token={}", person.access);
        self.responded(&instance.get(&path).await);
        self.responded(&instance.get(&path).header("upgrade", "websocket").await);
    }

    /// Meets the close of a client that does not reply to pings.
    async fn unresponsive(&mut self, instance: &Instance, person: &Person) {
        let tail = instance.socket(person).await.read_without_replying(200).await;
        // A close frame of the server is 0x88, a length, the code, and the reason.
        let close = tail.iter().rposition(|byte| *byte == 0x88).expect("a close frame");
        let (code, reason) = tail[close + 2..].split_at(2);
        let reason = std::str::from_utf8(reason).expect("a reason").to_owned();
        self.closes.insert((u16::from_be_bytes([code[0], code[1]]), reason));
    }

    /// Meets the close and the refusal of an instance that shuts down and closes its sockets one by one.
    async fn shutting_down(&mut self, mut instance: Instance, person: &Person) {
        let first = instance.socket(person).await;
        let others = [instance.socket(person).await, instance.socket(person).await];
        instance.request_stop();
        self.closed(first).await;
        self.refused(instance.handshake().token(&person.access)).await;
        drop(others);
    }
}

#[tokio::test]
async fn every_close_and_every_refusal_occurs() {
    let mut seen = Seen::default();
    let mut stage = Standalone.stage();
    seen.unauthenticated(&stage).await;

    let people = stage.people(["dora", "eve", "finn"]).await;
    let low_limits = [
        ("TRUSTED_PROXIES", "1"),
        ("LIMIT_CONNECTS_BY_ADDRESS", "1/1h"),
        ("LIMIT_FRAMES_BY_SOCKET", "1/1h"),
        ("MAX_SOCKETS_BY_PERSON", "1"),
        ("MAX_SOCKETS", "2"),
    ];
    seen.over_a_limit(stage.start_instance(&low_limits), &people).await;
    let [dora, ..] = people;
    seen.protocol_errors(stage.here(), &dora).await;
    let pinging = [("SOCKET_PING_SECONDS", "1"), ("SOCKET_UNANSWERED_PINGS", "1")];
    seen.unresponsive(stage.start_instance(&pinging), &dora).await;
    let restricted = stage.start_instance(&[("ALLOWED_WS_ORIGINS", "https://app.example")]);
    seen.refused(restricted.handshake().token(&dora.access)).await;
    // Four seconds between the close of one socket and the next: meanwhile a handshake is refused.
    stage.start_instance(&[("SHUTDOWN_SPREAD_SECONDS", "200")]);
    seen.shutting_down(stage.take_last(), &dora).await;

    // Her account can be read, and her inbox cannot.
    stage.sql("ALTER TABLE inboxes RENAME TO elsewhere");
    seen.closed(stage.here().handshake().token(&dora.access).upgrade().await.expect("an upgrade")).await;
    stage.sql("ALTER TABLE elsewhere RENAME TO inboxes");

    assert_eq!(&seen.closes, description().closes());
    // The library words the refusal of a request that is not a handshake.
    let by_library = |it: &&(u16, String)| it.1.starts_with("No WebSocket handshake: ");
    let (unlisted, listed): (BTreeSet<_>, BTreeSet<_>) = seen.refusals.iter().partition(by_library);
    assert_eq!((unlisted.len(), listed), (1, description().refusals().iter().collect()));
}
