#pragma once
// One generation of a WebSocket: the response streams of its choices, how far each has been sent, and the messages
// that tell the client. No socket, one thread.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/ws/ws_protocol.hpp"

namespace troupe {

struct WsGenerationFacts {
  std::string id;          // the client's name for it
  std::string request_id;  // ours
  std::string model;
  std::uint32_t choices_per_prompt = 1;  // choice i answers prompt i / choices_per_prompt
  bool logprobs = false;
  const TextCodec* codec = nullptr;  // outlives it
};

class WsGeneration {
 public:
  // At least one stream; stream i is choice i.
  WsGeneration(WsGenerationFacts facts, std::vector<std::shared_ptr<ResponseStream>> streams);

  const std::string& id() const { return facts_.id; }
  std::uint32_t choices() const { return static_cast<std::uint32_t>(choices_.size()); }
  ResponseStream& stream(std::uint32_t choice) { return *choices_[choice].stream; }

  // Appends the messages for what happened to a choice since it was read last: accepted, tokens, and an end. When one
  // choice fails or is cancelled the generation ends with it, and the others are cancelled.
  void read(std::uint32_t choice, std::vector<std::string>& messages);

  bool is_ended() const { return ended_; }  // its last message has been appended
  const Error* error() const { return failed_ ? &error_ : nullptr; }

  void cancel(CancelReason reason);

 private:
  struct Choice {
    std::shared_ptr<ResponseStream> stream;
    ResponseStream::Cursor cursor;
    bool ended = false;
    Usage usage;
    FinishReason finish = FinishReason::kStop;
  };
  void end_early(const ResponseStream::Chunk& chunk, std::vector<std::string>& messages);
  Usage usage() const;

  WsGenerationFacts facts_;
  std::vector<Choice> choices_;
  std::uint32_t running_;
  StageTimes stages_;  // of the choice that ended last
  bool accepted_ = false;
  bool ended_ = false;
  bool failed_ = false;
  Error error_;
};

}  // namespace troupe
