//! `docs/asyncapi.yaml` describes every way in which sockets end and handshakes are refused,
//! and none that does not happen.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{
    Answer, Dial, Instance, Laptop, Person, SECRET_KEY, Socket, Stage, claims, description, forge,
    seconds_now,
};

/// How sockets have ended and handshakes were refused.
#[derive(Default)]
struct Seen {
    closes: BTreeSet<(u16, String)>,
    refusals: BTreeSet<(u16, String)>,
}

impl Seen {
    async fn closed(&mut self, mut socket: Socket) {
        self.closes.insert(socket.closed().await);
    }

    /// A client that can be told is told, and to one that cannot the handshake is refused.
    async fn refused_in_both_forms(&mut self, mut dial: impl FnMut() -> Dial) {
        let told = dial().subprotocols("numeneon.v1").upgrade().await.expect("an upgrade");
        self.closed(told).await;
        self.refused(dial()).await;
    }

    async fn refused(&mut self, dial: Dial) {
        let error = dial.upgrade().await.err().expect("a refusal");
        let Error::Http(answer) = error else { panic!("{error}") };
        let body = answer.body().as_deref().unwrap_or_default();
        let refusal = description().refused(answer.status().as_u16(), answer.headers(), body);
        self.refusals.insert(refusal);
    }

    fn answered(&mut self, answer: &Answer) {
        let refusal = description().refused(answer.status, &answer.headers, answer.text.as_bytes());
        self.refusals.insert(refusal);
    }

    /// Sees what is said to those without a good token or ticket.
    async fn strangers(&mut self, stage: &Stage) {
        let [ada, bob, cleo] = stage.people(["ada", "bob", "cleo"]).await;
        let ticket = stage.here().post("/api/auth/ws-ticket/").by(&bob).await.is(201);
        let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
        stage.here().dial().query("ticket", &ticket).open().await.close().await;
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
            ("ticket", ticket),
        ] {
            self.refused_in_both_forms(|| stage.here().dial().query(name, &value)).await;
        }
    }

    /// Sees what is said to those who take too much.
    async fn greedy(&mut self, instance: &Instance, people: &[Person; 3]) {
        let mut addresses = (1..).map(|number| format!("203.0.113.{number}"));
        let mut dial = |person: &Person| {
            let address = addresses.next().expect("an address");
            instance.dial().header("x-forwarded-for", &address).token(&person.access)
        };
        let [ada, bob, cleo] = people;
        let mut adas = dial(ada).open().await;
        self.refused_in_both_forms(|| dial(ada).header("x-forwarded-for", "203.0.113.1")).await;
        self.refused_in_both_forms(|| dial(ada)).await;
        let _bobs = dial(bob).open().await;
        self.refused_in_both_forms(|| dial(cleo)).await;
        adas.say("1").await;
        adas.say("2").await;
        self.closed(adas).await;
    }

    /// Sees what is said to those who break the rules of the protocol.
    async fn unruly(&mut self, instance: &Instance, person: &Person) {
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
        let dial = || instance.dial().token(&person.access);
        self.refused(dial().query("cursor", "x")).await;
        self.refused(dial().header("host", "evil.example")).await;
        let path = format!("/ws/notifications/?token={}", person.access);
        self.answered(&instance.get(&path).await);
        self.answered(&instance.get(&path).header("upgrade", "websocket").await);
    }

    /// Sees what is said to those who say nothing.
    async fn silent(&mut self, instance: &Instance, person: &Person) {
        let tail = instance.socket(person).await.read_silently(200).await;
        // A closing frame of the server is 0x88, a length, the code, and the reason.
        let close = tail.iter().rposition(|byte| *byte == 0x88).expect("a closing frame");
        let (code, reason) = tail[close + 2..].split_at(2);
        let reason = std::str::from_utf8(reason).expect("a reason").to_owned();
        self.closes.insert((u16::from_be_bytes([code[0], code[1]]), reason));
    }

    /// Sees what is said while an instance stops: its sockets close one after the other.
    async fn late(&mut self, mut instance: Instance, person: &Person) {
        let first = instance.socket(person).await;
        let others = [instance.socket(person).await, instance.socket(person).await];
        instance.begin_to_stop();
        self.closed(first).await;
        self.refused(instance.dial().token(&person.access)).await;
        drop(others);
    }
}

#[tokio::test]
async fn every_close_and_every_refusal_of_it_is_met() {
    let mut seen = Seen::default();
    let mut stage = Laptop.stage();
    seen.strangers(&stage).await;

    let people = stage.people(["dora", "eve", "finn"]).await;
    let greedy = [
        ("TRUSTED_PROXIES", "1"),
        ("LIMIT_CONNECTS_BY_ADDRESS", "1/1h"),
        ("LIMIT_FRAMES_BY_SOCKET", "1/1h"),
        ("MAX_SOCKETS_BY_PERSON", "1"),
        ("MAX_SOCKETS", "2"),
    ];
    seen.greedy(stage.start_another(&greedy), &people).await;
    let [dora, ..] = people;
    seen.unruly(stage.here(), &dora).await;
    let pinging = [("SOCKET_PING_SECONDS", "1"), ("SOCKET_UNANSWERED_PINGS", "1")];
    seen.silent(stage.start_another(&pinging), &dora).await;
    let choosy = stage.start_another(&[("ALLOWED_WS_ORIGINS", "https://app.example")]);
    seen.refused(choosy.dial().token(&dora.access)).await;
    // Two seconds pass from the close of one socket to that of the next.
    stage.start_another(&[("SHUTDOWN_SPREAD_SECONDS", "100")]);
    seen.late(stage.take_there(), &dora).await;

    // What lets her in is there, and where her inbox stands is not.
    stage.sql("ALTER TABLE inboxes RENAME TO elsewhere");
    seen.closed(stage.here().dial().token(&dora.access).upgrade().await.expect("an upgrade")).await;
    stage.sql("ALTER TABLE elsewhere RENAME TO inboxes");

    assert_eq!(&seen.closes, description().closes());
    // How a handshake is none is the library's to say.
    let by_library = |it: &&(u16, String)| it.1.starts_with("No WebSocket handshake: ");
    let (unlisted, listed): (BTreeSet<_>, BTreeSet<_>) = seen.refusals.iter().partition(by_library);
    assert_eq!((unlisted.len(), listed), (1, description().refusals().iter().collect()));
}
