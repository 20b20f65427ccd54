// @generated automatically by Diesel CLI.

diesel::table! {
    conversations (low_id, high_id) {
        low_id -> Int8,
        high_id -> Int8,
        last_message_id -> Int8,
        low_unread -> Int8,
        high_unread -> Int8,
    }
}

diesel::table! {
    friendships (id) {
        id -> Int8,
        low_id -> Int8,
        high_id -> Int8,
        asked_by -> Int8,
        created_at -> Timestamp,
        accepted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    generation (id) {
        id -> Int8,
        lift -> Int8,
        mark -> Text,
    }
}

diesel::table! {
    idempotency_keys (service, key) {
        service -> Text,
        key -> Text,
        request_hash -> Text,
        answer -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    inbox_events (user_id, seq) {
        user_id -> Int8,
        seq -> Int8,
        #[sql_name = "type"]
        type_ -> Text,
        data -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    inboxes (user_id) {
        user_id -> Int8,
        last_seq -> Int8,
        read_seq -> Int8,
    }
}

diesel::table! {
    messages (id) {
        id -> Int8,
        sender_id -> Int8,
        receiver_id -> Int8,
        content -> Text,
        is_read -> Bool,
        created_at -> Timestamp,
    }
}

diesel::table! {
    profiles (id) {
        id -> Int8,
        user_id -> Int8,
        bio -> Text,
        avatar -> Nullable<Text>,
        location -> Text,
        website -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    spent_tokens (jti) {
        jti -> Text,
        expires_at -> Timestamp,
    }
}

diesel::table! {
    users (id) {
        id -> Int8,
        username -> Text,
        email -> Text,
        email_key -> Text,
        password_hash -> Text,
        first_name -> Text,
        last_name -> Text,
        search_key -> Text,
        is_active -> Bool,
        is_superuser -> Bool,
        date_joined -> Timestamp,
        tokens_valid_from -> Int8,
    }
}

diesel::joinable!(inbox_events -> inboxes (user_id));
diesel::joinable!(inboxes -> users (user_id));
diesel::joinable!(profiles -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    conversations,
    friendships,
    generation,
    idempotency_keys,
    inbox_events,
    inboxes,
    messages,
    profiles,
    spent_tokens,
    users,
);
