//! The in-memory backend: one process, where publishing goes straight to the hub.

use bytes::Bytes;

use super::Group;
use super::hub::Hub;

/// Delivers each payload to this process's subscriptions.
pub(super) fn publish(hub: &Hub, payloads: &[(Group, Bytes)]) {
    for (group, payload) in payloads {
        hub.deliver(group.name(), payload);
    }
}
