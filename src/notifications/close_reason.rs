//! An [`CloseReason`] is why a session ended, or why it did not begin: every close code of the
//! service is on this page, and described in `docs/asyncapi.yaml`.

use actix_ws::{CloseCode, CloseReason as CloseFrame};

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// 4001: no good token. Only clients that offer `numeneon.v1` get it.
    Unauthenticated(&'static str),
    /// 4001: what let the client in was ended.
    Revoked,
    /// 4029: the client takes more than it may. In answer to a handshake only clients that
    /// offer `numeneon.v1` get it.
    RateLimited(&'static str),
    /// 4008: the client takes frames too slowly, or answers no pings.
    TooSlow,
    /// 1012: the instance stops.
    Restart,
    /// 1013: the database cannot be asked where to begin.
    TryAgain,
    /// 1013: the instance holds as many sockets as it may. Only clients that offer
    /// `numeneon.v1` get it.
    AtCapacity,
    /// 1003: the client sent a binary frame.
    Binary,
    /// 1009: the client sent too much at once.
    TooLarge,
    /// 1002: the client broke the protocol.
    Protocol,
    /// The client closed, and gets its own code back.
    ByClient(Option<CloseFrame>),
    /// The connection is gone.
    Disconnected,
}

impl CloseReason {
    /// Returns what the close frame says, if there is anybody to send it to.
    pub(super) fn reason(self) -> Option<CloseFrame> {
        let (code, text) = match self {
            Self::Unauthenticated(why) => (CloseCode::Other(4001), why),
            Self::Revoked => (CloseCode::Other(4001), "signed out"),
            Self::RateLimited(what) => (CloseCode::Other(4029), what),
            Self::TooSlow => (CloseCode::Other(4008), "too slow; resume with your cursor"),
            Self::Restart => (CloseCode::Restart, "the instance restarts; resume with your cursor"),
            Self::TryAgain => (CloseCode::Again, "try again"),
            Self::AtCapacity => (CloseCode::Again, "too many sockets on this instance; try again"),
            Self::Binary => (CloseCode::Unsupported, "text frames only"),
            Self::TooLarge => (CloseCode::Size, "64 KiB at most"),
            Self::Protocol => (CloseCode::Protocol, "protocol error"),
            Self::ByClient(reason) => return reason,
            Self::Disconnected => return None,
        };
        Some(CloseFrame { code, description: Some(text.to_owned()) })
    }

    /// Returns the word for metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "refused",
            Self::Revoked => "signed_out",
            Self::RateLimited(_) => "too_many",
            Self::TooSlow => "too_slow",
            Self::Restart => "restart",
            Self::TryAgain => "try_again",
            Self::AtCapacity => "full",
            Self::Binary => "binary",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::ByClient(_) => "by_client",
            Self::Disconnected => "gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CloseReason;

    #[test]
    fn every_end_of_the_service_is_described() -> Result<(), Box<dyn std::error::Error>> {
        let document = include_str!("../../docs/asyncapi.yaml");
        let document: serde_json::Value = serde_saphyr::from_str(document)?;
        let described = document["channels"]["notifications"]["x-close-codes"].as_array();
        let ends = [
            CloseReason::Unauthenticated("token missing"),
            CloseReason::Revoked,
            CloseReason::RateLimited("too many frames"),
            CloseReason::TooSlow,
            CloseReason::Restart,
            CloseReason::TryAgain,
            CloseReason::AtCapacity,
            CloseReason::Binary,
            CloseReason::TooLarge,
            CloseReason::Protocol,
        ];
        for end in ends {
            // Another kind of end belongs into this test: the compiler says so.
            match end {
                CloseReason::Unauthenticated(_)
                | CloseReason::Revoked
                | CloseReason::RateLimited(_)
                | CloseReason::TooSlow
                | CloseReason::Restart => {}
                CloseReason::TryAgain
                | CloseReason::AtCapacity
                | CloseReason::Binary
                | CloseReason::TooLarge
                | CloseReason::Protocol => {}
                CloseReason::ByClient(_) | CloseReason::Disconnected => {}
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
