#include "runtime/step_plan.hpp"

#include <bit>
#include <concepts>
#include <limits>
#include <string>
#include <type_traits>

namespace troupe {
namespace {

// ---- the fields of each record, named once for writing, reading and measuring -----------------------------------
template <class V>
void fields(V& v, Slice& s) {
  v(s.begin), v(s.count);
}
template <class V>
void fields(V& v, StepRow& r) {
  v(r.sequence), v(r.kind), v(r.position), fields(v, r.tokens), v(r.from_previous), fields(v, r.blocks);
  v(r.sampling), v(r.adapter), v(r.mask), fields(v, r.draft), fields(v, r.targets), v(r.target_alternatives);
  v(r.pooling), v(r.sum), v(r.is_end);
}
template <class V>
void fields(V& v, RowSampling& s) {
  v(s.temperature), v(s.top_p), v(s.min_p), v(s.typical_p), v(s.repetition_penalty), v(s.presence_penalty),
      v(s.frequency_penalty);
  v(s.top_k), v(s.choice), v(s.seed), v(s.position), v(s.logprobs);
  fields(v, s.bias), fields(v, s.banned), fields(v, s.history);
}
template <class V>
void fields(V& v, TokenBias& b) {
  v(b.token), v(b.bias);
}
template <class V>
void fields(V& v, TokenHistory& h) {
  v(h.token), v(h.output_count), v(h.in_prompt);
}
template <class V>
void fields(V& v, TopToken& t) {
  v(t.token), v(t.logprob);
}
template <class V>
void fields(V& v, TokenScore& s) {
  v(s.logprob), v(s.rank), fields(v, s.top);
}
template <class V>
void fields(V& v, RowResult& r) {
  v(r.sequence), v(r.outcome), v(r.token), v(r.logprob), fields(v, r.top), v(r.logits_hash), fields(v, r.vector);
  fields(v, r.scores);
}
template <class V, class Number>
requires std::is_arithmetic_v<Number>
void fields(V& v, Number& number) { v(number); }
template <class V>
void record(V& v, StepPlan& p) {
  v(p.version), v(p.flags), v(p.step);
  v.array(p.rows), v.array(p.tokens), v.array(p.blocks), v.array(p.sampling);
  v.array(p.bias), v.array(p.banned), v.array(p.history), v.array(p.targets);
}
template <class V>
void record(V& v, StepResult& r) {
  v(r.version), v(r.step), v(r.compute_ns), v.array(r.rows), v.array(r.top), v.array(r.values), v.array(r.scores);
}

// ---- the three visitors -----------------------------------------------------------------------------------------
template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

struct Measure {
  std::size_t bytes = 0;
  template <class T>
  void operator()(T&) {
    bytes += sizeof(Bits<T>);
  }
};

template <class Item>
std::size_t bytes_of() {
  Item item{};
  Measure measure;
  fields(measure, item);
  return measure.bytes;
}

struct Writer {
  std::vector<std::uint8_t> bytes;

  template <class T>
  void operator()(T& value) {
    auto bits = std::bit_cast<Bits<T>>(value);
    for (std::size_t i = 0; i < sizeof(bits); ++i) bytes.push_back(static_cast<std::uint8_t>(bits >> (8 * i)));
  }
  template <class Item>
  void array(std::vector<Item>& items) {
    auto count = static_cast<std::uint32_t>(items.size());
    (*this)(count);
    for (Item& item : items) fields(*this, item);
  }
};

// After the first thing that does not fit everything reads as 0 and `fits` stays false.
struct Reader {
  std::span<const std::uint8_t> bytes;
  bool fits = true;

  template <class T>
  void operator()(T& value) {
    Bits<T> bits = 0;
    if (!take(sizeof(bits))) return;
    for (std::size_t i = 0; i < sizeof(bits); ++i) bits |= Bits<T>{bytes[i]} << (8 * i);
    bytes = bytes.subspan(sizeof(bits));
    value = std::bit_cast<T>(bits);
  }
  template <class Item>
  void array(std::vector<Item>& items) {
    std::uint32_t count = 0;
    (*this)(count);
    if (!take(count * std::uint64_t{bytes_of<Item>()})) return;  // before anything is allocated
    items.resize(count);
    for (Item& item : items) fields(*this, item);
  }
  bool take(std::uint64_t count) { return fits = fits && count <= bytes.size(); }
};

template <class Record>
std::vector<std::uint8_t> encoded(const Record& values) {
  Writer writer;
  // The visitors are written for values that can change; the writer changes none.
  record(writer, const_cast<Record&>(values));
  return std::move(writer.bytes);
}

// ---- what a record must keep ------------------------------------------------------------------------------------
Error broken(const char* record_name, const std::string& what) {
  return {ErrorCode::kInvalidRequest, std::string(record_name) + ": " + what, "", 0};
}

const char* pooling_problem_of(const StepRow& row) {
  if (row.kind != RowKind::kEmbed) {
    bool pools = row.pooling != Pooling::kNone || row.sum != kNoIndex || row.is_end != 0;
    return pools ? "pooling in a row that does not embed" : nullptr;
  }
  if (row.pooling != Pooling::kMean && row.pooling != Pooling::kLast) return "an unknown pooling";
  if ((row.pooling == Pooling::kMean) != (row.sum != kNoIndex)) return "a running sum belongs to the mean alone";
  if (row.is_end > 1) return "is_end is neither 0 nor 1";
  if (row.from_previous != 0 || row.samples()) return "a row that embeds has no tokens to come";
  if (row.targets.count != 0) return "targets in a row that embeds";
  return nullptr;
}

const char* problem_of(const StepRow& row, const StepPlan& plan) {
  if (row.kind > RowKind::kEmbed) return "an unknown kind of row";
  if (row.tokens.count == 0 || !is_inside(row.tokens, plan.tokens.size())) return "tokens outside of the record";
  if (row.from_previous > 1) return "from_previous is neither 0 nor 1";
  if (row.from_previous == 1 && row.tokens.count != 1) return "from_previous stands for one token";
  if (!is_inside(row.blocks, plan.blocks.size())) return "blocks outside of the record";
  if (std::uint64_t{row.position} + row.tokens.count > std::uint64_t{row.blocks.count} * kBlockSize) {
    return "positions outside of the row's blocks";
  }
  if (row.sampling != kNoIndex && row.sampling >= plan.sampling.size()) return "sampling outside of the record";
  if (row.adapter != 0 || row.mask != kNoIndex || row.draft.count != 0) return "a reserved field is used";
  if (!is_inside(row.targets, plan.targets.size())) return "targets outside of the record";
  if (row.targets.count > row.tokens.count) return "more targets than tokens";
  if (row.targets.count > 0 && row.from_previous != 0) return "targets after a token that is not known";
  return pooling_problem_of(row);
}

const char* problem_of(const RowSampling& sampling, const StepPlan& plan) {
  if (!is_inside(sampling.bias, plan.bias.size())) return "bias outside of the record";
  if (!is_inside(sampling.banned, plan.banned.size())) return "banned tokens outside of the record";
  if (!is_inside(sampling.history, plan.history.size())) return "history outside of the record";
  return nullptr;
}

const char* problem_of(const StepPlan& plan) {
  for (const StepRow& row : plan.rows) {
    if (const char* problem = problem_of(row, plan)) return problem;
  }
  for (const RowSampling& sampling : plan.sampling) {
    if (const char* problem = problem_of(sampling, plan)) return problem;
  }
  return nullptr;
}

const char* problem_of(const StepResult& result) {
  for (const RowResult& row : result.rows) {
    if (row.outcome > RowOutcome::kPooled) return "an unknown outcome";
    if (!is_inside(row.top, result.top.size())) return "alternatives outside of the record";
    if (!is_inside(row.vector, result.values.size())) return "a vector outside of the record";
    if (!is_inside(row.scores, result.scores.size())) return "scores outside of the record";
  }
  for (const TokenScore& score : result.scores) {
    if (!is_inside(score.top, result.top.size())) return "a score's alternatives outside of the record";
  }
  return nullptr;
}

template <class Record>
Result<Record> decoded(const char* name, std::span<const std::uint8_t> bytes) {
  Record values;
  Reader version_reader{bytes};
  version_reader(values.version);
  if (version_reader.fits && values.version != kStepPlanVersion) {
    return broken(
        name, "version " + std::to_string(values.version) + "; this program reads " + std::to_string(kStepPlanVersion));
  }
  Reader reader{bytes};
  record(reader, values);
  if (!reader.fits) return broken(name, "cut short");
  if (!reader.bytes.empty()) return broken(name, std::to_string(reader.bytes.size()) + " bytes too many");
  if (const char* problem = problem_of(values)) return broken(name, problem);
  return values;
}

}  // namespace

std::vector<std::uint8_t> encode(const StepPlan& plan) { return encoded(plan); }
std::vector<std::uint8_t> encode(const StepResult& result) { return encoded(result); }
Result<StepPlan> decode_step_plan(std::span<const std::uint8_t> bytes) { return decoded<StepPlan>("step plan", bytes); }
Result<StepResult> decode_step_result(std::span<const std::uint8_t> bytes) {
  return decoded<StepResult>("step result", bytes);
}

}  // namespace troupe
