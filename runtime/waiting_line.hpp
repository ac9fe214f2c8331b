#pragma once
// The sequences that wait, and whose turn it is: the highest priority first; within it the tenant that was served
// least; of its sequences the one whose first token is due first.
#include <cstdint>
#include <vector>

#include "runtime/sequence.hpp"

namespace troupe {

class WaitingLine {
 public:
  void add(Sequence& sequence);
  void remove(Sequence& sequence);

  Sequence* first() const;  // nullptr: nobody waits
  bool is_empty() const { return line_.empty(); }
  std::uint32_t size() const { return static_cast<std::uint32_t>(line_.size()); }
  std::uint64_t tokens() const { return tokens_; }
  void grew(Sequence& sequence) { ++tokens_, ++sequence.tenant->waiting_tokens; }  // it got one more token

  // All of them by priority and due time, the last one first.
  const std::vector<Sequence*>& backwards() const { return line_; }

 private:
  std::vector<Sequence*> line_;  // who would go first among equals stands last
  std::uint64_t tokens_ = 0;
  std::uint32_t tenants_ = 0;  // with a sequence in the line
};

}  // namespace troupe
