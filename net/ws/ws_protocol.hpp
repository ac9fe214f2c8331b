#pragma once
// The messages of a WebSocket, one JSON object each: reading the client's, writing the server's. Pure: no socket.
// docs/websocket.md describes them.
#include <boost/json/object.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "net/schema/api_request.hpp"
#include "runtime/doors/response_stream.hpp"
#include "runtime/doors/text_codec.hpp"
#include "runtime/request.hpp"
#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::size_t kWsIdMax = 64;  // bytes of a generation's name, which the client chooses

struct WsSubmit {
  ApiKind kind = ApiKind::kChat;
  boost::json::object request;  // the body as POST /v1/chat/completions or /v1/completions would have it
};
struct WsCancel {};
struct WsPing {};

struct WsClientMessage {
  std::string id;  // empty when the message has none; kept when the rest is wrong, so that the error can name it
  Result<std::variant<WsSubmit, WsCancel, WsPing>> message;
};
WsClientMessage parse_ws_message(std::string_view text);

struct WsAccepted {
  std::string_view model;
  std::string_view request_id;
  std::string_view system_fingerprint;
  std::uint32_t choices = 1;
  bool cached = false;
};
std::string ws_accepted(std::string_view id, const WsAccepted& accepted);

// What came of one choice since the message before; `seq` is the number of its tokens that are out with this one.
// `codec` gives the bytes of tokens; it is only used when `logprobs` is set.
struct WsTokens {
  std::uint32_t choice = 0;
  std::uint32_t seq = 0;
  std::string_view text;
  std::span<const StreamToken> tokens;
  bool logprobs = false;
  const TextCodec* codec = nullptr;
  const FinishReason* finish = nullptr;  // with the last message of a choice
};
std::string ws_tokens(std::string_view id, const WsTokens& tokens);

// The three ends of a generation; exactly one is sent for each that was accepted or refused.
std::string ws_finished(std::string_view id, FinishReason reason, const Usage& usage, const StageTimes& stages);
std::string ws_cancelled(std::string_view id, const Usage& usage);
std::string ws_error(std::string_view id, const Error& error);  // id empty: it belongs to no generation

std::string ws_pong();

}  // namespace troupe
