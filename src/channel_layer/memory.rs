//! The in-memory backend: one process, where publishing goes straight to the hub.

use super::group::Group;
use super::hub::Hub;
use super::payload::Payload;

/// Delivers each payload to this process's subscriptions.
pub(super) fn publish(hub: &Hub, payloads: &[(Group, Payload)]) {
    for (group, payload) in payloads {
        hub.deliver(group.name(), payload);
    }
}
