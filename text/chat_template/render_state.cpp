#include "text/chat_template/render_state.hpp"

#include <utility>

namespace troupe {

namespace {
constexpr std::uint64_t kStepsPerLookAtClock = 2048;
constexpr std::size_t kSearchedBytesPerStep = 256;
constexpr std::size_t kErrorBytesMax = 2000;  // a template can put users' text into its message
}  // namespace

RenderState::RenderState(const TemplateLimits& limits, std::optional<std::int64_t> now_s)
    : limits_(limits), deadline_(std::chrono::steady_clock::now() + limits.time), now_s_(now_s) {}

std::int64_t RenderState::now_s() const {
  if (now_s_) return *now_s_;
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool RenderState::step(std::uint64_t cost) {
  if (failed()) return false;
  steps_ += cost;
  if (steps_ > limits_.steps) {
    fail("it takes more than " + std::to_string(limits_.steps) + " steps");
  } else if (steps_ >= next_look_at_clock_) {
    next_look_at_clock_ = steps_ + kStepsPerLookAtClock;
    if (std::chrono::steady_clock::now() > deadline_) {
      fail("it takes more than " +
           std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limits_.time).count()) + " ms");
    }
  }
  return !failed();
}

bool RenderState::search(std::size_t text_bytes, std::size_t pattern_bytes) {
  std::size_t factor = pattern_bytes == 0 ? 1 : pattern_bytes;
  if (text_bytes / kSearchedBytesPerStep > limits_.steps / factor) return step(limits_.steps + 1);
  return step(1 + text_bytes / kSearchedBytesPerStep * factor);
}

bool RenderState::allocate(std::size_t bytes) {
  if (failed()) return false;
  if (bytes > limits_.value_bytes - bytes_) {
    fail("its values take more than " + std::to_string(limits_.value_bytes) + " bytes");
    return false;
  }
  bytes_ += bytes;
  return step(1 + bytes / kSearchedBytesPerStep);
}

TemplateValue RenderState::fail(std::string why) {
  if (!error_) {
    error_ = Error{ErrorCode::kInvalidRequest,
                   "the chat template failed in line " + std::to_string(line) + ": " + why.substr(0, kErrorBytesMax),
                   "messages", 0};
  }
  return {};
}

TemplateValue RenderState::refuse(std::string words, const char* param) {
  if (words.size() > kErrorBytesMax) words.resize(kErrorBytesMax);
  if (!error_) error_ = Error{ErrorCode::kInvalidRequest, std::move(words), param, 0};
  return {};
}

TemplateValue RenderState::text(MarkedText value) {
  if (!allocate(value.cost_bytes() + sizeof(std::string))) return {};
  return TemplateValue::text(std::move(value));
}

TemplateValue RenderState::part(const TemplateValue& text, std::string_view view) {
  return this->text(text.as_marked().part(view));
}

TemplateValue RenderState::list(std::vector<TemplateValue> items, TemplateValue::Kind kind) {
  if (!allocate((items.size() + 1) * sizeof(TemplateValue))) return {};
  TemplateValue made = TemplateValue::list(std::move(items), kind);
  return made.depth() > kValueDepthMax ? fail("a list is nested too deep") : made;
}

TemplateValue RenderState::dict(std::vector<TemplateEntry> entries) {
  if (!allocate((entries.size() + 1) * sizeof(TemplateEntry))) return {};
  TemplateValue made = TemplateValue::dict(std::move(entries));
  return made.depth() > kValueDepthMax ? fail("a dict is nested too deep") : made;
}

TemplateNamespace* RenderState::new_namespace() {
  if (!allocate(sizeof(TemplateNamespace))) return nullptr;
  namespaces_.push_back(std::make_unique<TemplateNamespace>());
  return namespaces_.back().get();
}

RenderState::Nesting::operator bool() const {
  if (state_.depth_ > kEvaluationDepthMax) state_.fail("it is nested too deep (endless recursion of a macro?)");
  return !state_.failed();
}

}  // namespace troupe
