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
    installation (id) {
        id -> Bool,
        mark -> Text,
    }
}

diesel::table! {
    instances (id) {
        id -> Text,
        publishes -> Bool,
        seen_at_ms -> Int8,
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
        reply_to_story_id -> Nullable<Text>,
    }
}

diesel::table! {
    post_likes (post_id, user_id) {
        post_id -> Int8,
        user_id -> Int8,
        created_at -> Timestamp,
    }
}

diesel::table! {
    posts (id) {
        id -> Int8,
        author_id -> Int8,
        target_profile_id -> Nullable<Int8>,
        #[sql_name = "type"]
        type_ -> Text,
        content -> Text,
        media_url -> Nullable<Text>,
        parent_id -> Nullable<Int8>,
        reply_to_comment_id -> Nullable<Int8>,
        mentioned_user_id -> Nullable<Int8>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        reply_count -> Int8,
        likes_count -> Int8,
        shares_count -> Int8,
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
    sign_ins (user_id, id) {
        user_id -> Int8,
        id -> Text,
        created_at -> Timestamp,
        last_used_at -> Timestamp,
        expires_at -> Timestamp,
        address -> Text,
        client -> Text,
    }
}

diesel::table! {
    spent_tokens (jti) {
        jti -> Text,
        expires_at -> Timestamp,
    }
}

diesel::table! {
    stories (id) {
        id -> Text,
        user_id -> Int8,
        media_url -> Text,
        media_type -> Text,
        caption -> Nullable<Text>,
        created_at -> Timestamp,
        expires_at -> Timestamp,
        view_count -> Int8,
        heart_count -> Int8,
        thunder_count -> Int8,
        is_kept -> Bool,
    }
}

diesel::table! {
    story_reactions (story_id, user_id) {
        story_id -> Text,
        user_id -> Int8,
        reaction_type -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    story_views (story_id, viewer_id) {
        story_id -> Text,
        viewer_id -> Int8,
        viewed_at -> Timestamp,
    }
}

diesel::table! {
    username_keys (key) {
        key -> Text,
        user_id -> Int8,
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
        ended_sign_ins -> Text,
    }
}

diesel::joinable!(inbox_events -> inboxes (user_id));
diesel::joinable!(inboxes -> users (user_id));
diesel::joinable!(post_likes -> posts (post_id));
diesel::joinable!(post_likes -> users (user_id));
diesel::joinable!(profiles -> users (user_id));
diesel::joinable!(sign_ins -> users (user_id));
diesel::joinable!(username_keys -> users (user_id));
diesel::joinable!(stories -> users (user_id));
diesel::joinable!(story_reactions -> stories (story_id));
diesel::joinable!(story_reactions -> users (user_id));
diesel::joinable!(story_views -> stories (story_id));
diesel::joinable!(story_views -> users (viewer_id));

diesel::allow_tables_to_appear_in_same_query!(
    conversations,
    friendships,
    generation,
    idempotency_keys,
    inbox_events,
    inboxes,
    installation,
    instances,
    messages,
    post_likes,
    posts,
    profiles,
    sign_ins,
    spent_tokens,
    stories,
    story_reactions,
    story_views,
    username_keys,
    users,
);
