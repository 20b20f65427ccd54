//! An [`End`] is why a session ended, or why it did not begin: every close code of the
//! service is on this page, and described in `docs/asyncapi.yaml`.

use actix_ws::{CloseCode, CloseReason};

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// 4001: no good token. Only clients that offer `numeneon.v1` get it.
    Refused(&'static str),
    /// 4001: what let the client in was ended.
    SignedOut,
    /// 4029: the client takes more than it may. In answer to a handshake only clients that
    /// offer `numeneon.v1` get it.
    TooMany(&'static str),
    /// 4008: the client takes frames too slowly, or answers no pings.
    TooSlow,
    /// 1012: the instance stops.
    Restart,
    /// 1013: the database cannot be asked where to begin.
    TryAgain,
    /// 1013: the instance holds as many sockets as it may. Only clients that offer
    /// `numeneon.v1` get it.
    Full,
    /// 1003: the client sent a binary frame.
    Binary,
    /// 1009: the client sent too much at once.
    TooLarge,
    /// 1002: the client broke the protocol.
    Protocol,
    /// The client closed, and gets its own code back.
    ByClient(Option<CloseReason>),
    /// The connection is gone.
    Gone,
}

impl End {
    /// Returns what the close frame says, if there is anybody to send it to.
    pub(super) fn reason(self) -> Option<CloseReason> {
        let (code, text) = match self {
            Self::Refused(why) => (CloseCode::Other(4001), why),
            Self::SignedOut => (CloseCode::Other(4001), "signed out"),
            Self::TooMany(what) => (CloseCode::Other(4029), what),
            Self::TooSlow => (CloseCode::Other(4008), "too slow; resume with your cursor"),
            Self::Restart => (CloseCode::Restart, "the instance restarts; resume with your cursor"),
            Self::TryAgain => (CloseCode::Again, "try again"),
            Self::Full => (CloseCode::Again, "too many sockets on this instance; try again"),
            Self::Binary => (CloseCode::Unsupported, "text frames only"),
            Self::TooLarge => (CloseCode::Size, "64 KiB at most"),
            Self::Protocol => (CloseCode::Protocol, "protocol error"),
            Self::ByClient(reason) => return reason,
            Self::Gone => return None,
        };
        Some(CloseReason { code, description: Some(text.to_owned()) })
    }

    /// Returns the word for metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::SignedOut => "signed_out",
            Self::TooMany(_) => "too_many",
            Self::TooSlow => "too_slow",
            Self::Restart => "restart",
            Self::TryAgain => "try_again",
            Self::Full => "full",
            Self::Binary => "binary",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::ByClient(_) => "by_client",
            Self::Gone => "gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::End;

    #[test]
    fn every_end_of_the_service_is_described() -> Result<(), Box<dyn std::error::Error>> {
        let document = include_str!("../../docs/asyncapi.yaml");
        let document: serde_json::Value = serde_saphyr::from_str(document)?;
        let described = document["channels"]["notifications"]["x-close-codes"].as_array();
        let ends = [
            End::Refused("token missing"),
            End::SignedOut,
            End::TooMany("too many frames"),
            End::TooSlow,
            End::Restart,
            End::TryAgain,
            End::Full,
            End::Binary,
            End::TooLarge,
            End::Protocol,
        ];
        for end in ends {
            // Another kind of end belongs into this test: the compiler says so.
            match end {
                End::Refused(_) | End::SignedOut | End::TooMany(_) | End::TooSlow | End::Restart => {}
                End::TryAgain | End::Full | End::Binary | End::TooLarge | End::Protocol => {}
                End::ByClient(_) | End::Gone => {}
            }
            let close = end.reason().ok_or("no close frame")?;
            let (code, reason) = (u16::from(close.code), close.description.unwrap_or_default());
            let is_described = described.into_iter().flatten().any(|it| {
                it["code"] == code
                    && it["reasons"].as_array().is_some_and(|all| all.contains(&reason.as_str().into()))
            });
            assert!(is_described, "docs/asyncapi.yaml: {code} {reason}");
        }
        Ok(())
    }
}
