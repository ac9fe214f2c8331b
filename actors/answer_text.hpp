#pragma once
// The text of one answer as its tokens arrive: decoder, then stop strings. A pure function of the ids pushed, so a
// retried request goes on where it was.
#include <memory>
#include <string>
#include <utility>

#include "runtime/doors/text_codec.hpp"

namespace troupe {

class AnswerText {
 public:
  AnswerText(const TextCodec& codec, std::vector<std::string> stops)
      : decoder_(codec.new_decoder()), stops_(stops.empty() ? nullptr : codec.new_stop_filter(std::move(stops))) {}

  // What may be shown now, valid until the next call; `stopped` when a stop string ends the answer with this token.
  const std::string& push(TokenId token, bool& stopped) {
    decoded_.clear();
    decoder_->push(token, decoded_);
    return filter(stopped);
  }

  // The rest, when no stop string has ended the answer. A character left unfinished may complete one still.
  const std::string& finish(bool& stopped) {
    decoded_.clear();
    decoder_->finish(decoded_);
    const std::string& shown = filter(stopped);
    if (stops_ && !stopped) stops_->finish(shown_);
    return shown;
  }

 private:
  const std::string& filter(bool& stopped) {
    stopped = false;
    if (!stops_) return decoded_;
    shown_.clear();
    stopped = stops_->push(decoded_, shown_);
    return shown_;
  }

  std::unique_ptr<TextDecoder> decoder_;
  std::unique_ptr<StopFilter> stops_;
  std::string decoded_, shown_;  // kept for their memory
};

}  // namespace troupe
