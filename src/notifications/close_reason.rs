//! A [`CloseReason`] is why a session ends, or why it does not begin. It has every close code
//! of the service, which `docs/asyncapi.yaml` describes.

use actix_http::ws::{CloseCode, CloseReason as CloseFrame};

/// Why a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// 4001: the token or ticket is missing or invalid. Sent to clients that offer `numeneon.v1`.
    Unauthenticated(&'static str),
    /// 4001: the token that opened the session is revoked, or its account inactive.
    Revoked,
    /// 4001: the token that opened the session expired too long ago. Sent to clients that offer
    /// `numeneon.v1`.
    Expired,
    /// 4029: the client is over a limit. In response to a handshake it is sent to clients
    /// that offer `numeneon.v1`.
    RateLimited(&'static str),
    /// 4008: the client takes frames too slowly, or leaves pings unanswered.
    TooSlow,
    /// 1012: the instance stops.
    Restart,
    /// 1013: the position of the inbox could not be read.
    TryAgain,
    /// 1013: the instance holds as many sockets as it may. Sent to clients that offer
    /// `numeneon.v1`.
    AtCapacity,
    /// 1003: the client sent a binary frame.
    Binary,
    /// 1009: the client sent a message that is too large.
    TooLarge,
    /// 1002: the client violated the protocol.
    Protocol,
    /// The client closed; its own code is returned to it.
    ByClient(Option<CloseFrame>),
    /// The connection ended without a close frame.
    Disconnected,
}

impl CloseReason {
    /// Returns the close frame to send; none if the connection has ended.
    pub(super) fn frame(self) -> Option<CloseFrame> {
        let (code, text) = match self {
            Self::Unauthenticated(text) => (CloseCode::Other(4001), text),
            Self::Revoked => (CloseCode::Other(4001), "signed out"),
            Self::Expired => (CloseCode::Other(4001), "token expired"),
            Self::RateLimited(text) => (CloseCode::Other(4029), text),
            Self::TooSlow => (CloseCode::Other(4008), "too slow; resume with your cursor"),
            Self::Restart => (CloseCode::Restart, "the instance restarts; resume with your cursor"),
            Self::TryAgain => (CloseCode::Again, "try again"),
            Self::AtCapacity => (CloseCode::Again, "too many sockets on this instance; try again"),
            Self::Binary => (CloseCode::Unsupported, "text frames only"),
            Self::TooLarge => (CloseCode::Size, "64 KiB at most"),
            Self::Protocol => (CloseCode::Protocol, "protocol error"),
            Self::ByClient(frame) => return frame,
            Self::Disconnected => return None,
        };
        Some(CloseFrame { code, description: Some(text.to_owned()) })
    }

    /// Returns the label in metrics and logs.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "refused",
            Self::Revoked => "signed_out",
            Self::Expired => "expired",
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
    fn every_close_code_is_described() -> Result<(), Box<dyn std::error::Error>> {
        let document = include_str!("../../docs/asyncapi.yaml");
        let document: serde_json::Value = serde_saphyr::from_str(document)?;
        let described = document["channels"]["notifications"]["x-close-codes"].as_array();
        let reasons = [
            CloseReason::Unauthenticated("token missing"),
            CloseReason::Revoked,
            CloseReason::Expired,
            CloseReason::RateLimited("too many frames"),
            CloseReason::TooSlow,
            CloseReason::Restart,
            CloseReason::TryAgain,
            CloseReason::AtCapacity,
            CloseReason::Binary,
            CloseReason::TooLarge,
            CloseReason::Protocol,
        ];
        for reason in reasons {
            // A new reason fails to compile here, and belongs into the list above.
            match reason {
                CloseReason::Unauthenticated(_)
                | CloseReason::Revoked
                | CloseReason::Expired
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
            let frame = reason.frame().ok_or("no close frame")?;
            let (code, text) = (u16::from(frame.code), frame.description.unwrap_or_default());
            let is_described = described.into_iter().flatten().any(|it| {
                it["code"] == code
                    && it["reasons"].as_array().is_some_and(|all| all.contains(&text.as_str().into()))
            });
            assert!(is_described, "docs/asyncapi.yaml: {code} {text}");
        }
        Ok(())
    }
}
