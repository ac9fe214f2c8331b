#pragma once
// One rendering's budget and its first error. Everything that evaluates asks it before it spends; after an error every
// question is answered with no, so evaluation unwinds by itself and what it still computes is thrown away.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"
#include "text/chat_template/template_limits.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

class RenderState {
 public:
  // now_s: what strftime_now takes for the time, in seconds since 1970; absent: the clock's.
  explicit RenderState(const TemplateLimits& limits, std::optional<std::int64_t> now_s = {});

  bool step(std::uint64_t cost = 1);  // false when the rendering has failed, perhaps just now
  bool search(std::size_t text_bytes, std::size_t pattern_bytes = 1);  // the cost of looking for one in the other
  bool allocate(std::size_t bytes);                                    // before a text or list of this size is made

  bool failed() const { return error_.has_value(); }
  const Error& error() const { return *error_; }
  TemplateValue fail(std::string why);  // the first failure counts; returns undefined
  TemplateValue refuse(std::string words, const char* param = "messages");  // in our or raise_exception's own words
  TemplateValue fail_undefined(const TemplateValue& value) { return fail(value.why_undefined()); }

  // Values that count what they cost and are not too deep.
  TemplateValue text(MarkedText value);
  TemplateValue part(const TemplateValue& text, std::string_view view);  // view: into text.as_text()
  TemplateValue list(std::vector<TemplateValue> items, TemplateValue::Kind kind = TemplateValue::Kind::kList);
  TemplateValue dict(std::vector<TemplateEntry> entries);
  TemplateNamespace* new_namespace();

  // Held while something nested is evaluated; false when it is nested too deep.
  class Nesting {
   public:
    explicit Nesting(RenderState& state) : state_(state) { ++state_.depth_; }
    ~Nesting() { --state_.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    explicit operator bool() const;

   private:
    RenderState& state_;
  };

  std::uint32_t line = 0;  // of the statement being evaluated, for messages
  const TemplateLimits& limits() const { return limits_; }
  std::int64_t now_s() const;

 private:
  TemplateLimits limits_;
  std::chrono::steady_clock::time_point deadline_;
  std::optional<std::int64_t> now_s_;
  std::uint64_t steps_ = 0;
  std::uint64_t next_look_at_clock_ = 0;
  std::size_t bytes_ = 0;
  std::uint32_t depth_ = 0;
  std::optional<Error> error_;
  std::vector<std::unique_ptr<TemplateNamespace>> namespaces_;
};

}  // namespace troupe
