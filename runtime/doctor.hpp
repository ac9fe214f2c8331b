#pragma once
// Names what holds a server back, from two scrapes of its metrics some seconds apart: the evidence in numbers, and
// the knob to turn. Plain rules, asked in order; the first that holds is the answer.
#include <string>
#include <vector>

#include "runtime/scrape.hpp"

namespace troupe {

enum class Bottleneck : std::uint8_t {
  kStalled,     // there is work and no step comes back
  kKvCapacity,  // sequences wait for KV blocks, or give them back
  kRefusing,    // the queue is full: clients get 429
  kQueue,       // rows of the step are all taken, memory is not
  kNetwork,     // clients send or read slowly, or cannot connect
  kPrefill,     // prompts take the time
  kDecode,      // output takes the time
  kIdle,
};
const char* name_of(Bottleneck bottleneck);  // "kv_capacity"

struct Diagnosis {
  Bottleneck bottleneck = Bottleneck::kIdle;
  std::vector<std::string> evidence;  // one figure each
  std::vector<std::string> advice;    // what to turn, and which way
};

// kInvalidRequest when these are not this server's metrics, or `seconds` is not positive.
Result<Diagnosis> diagnose(const Scrape& before, const Scrape& after, double seconds);

std::string report_of(const Diagnosis& diagnosis);  // for a person

}  // namespace troupe
