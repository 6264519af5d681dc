// Made by "go test ./internal/fault -update". Do not edit.

/** When the same request can succeed. */
export type Retry = "never" | "now" | "later" | "new_token";

/** The codes of errors, as docs/errors.md describes them. A server may send others. */
export type ErrorCode =
  | "malformed"
  | "unauthenticated"
  | "invalid_token"
  | "not_permitted"
  | "presence_off"
  | "channel_name"
  | "bad_position"
  | "too_many_channels"
  | "too_many_subscribers"
  | "already_joined"
  | "too_large"
  | "key_reused"
  | "bad_key"
  | "too_many_keys"
  | "expired"
  | "unknown_epoch"
  | "ahead"
  | "shutting_down"
  | "no_answer"
  | "slow"
  | "backlog"
  | "overloaded"
  | "internal"
  | "token_revoked"
  | "auth_timeout"
  | "terminated"
  | "too_many_malformed"
  | "protocol_error"
  | "invalid_text"
  | "frame_too_big"
  | "not_found"
  | "method_not_allowed"
  | "no_session"
  | "timeout"
  | "origin_not_allowed"
  | "upgrade_required";
