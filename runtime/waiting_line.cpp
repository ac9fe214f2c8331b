#include "runtime/waiting_line.hpp"

#include <algorithm>

namespace troupe {

void WaitingLine::add(Sequence& sequence) {
  auto at = std::upper_bound(line_.begin(), line_.end(), &sequence,
                             [](const Sequence* a, const Sequence* b) { return goes_before(*b, *a); });
  line_.insert(at, &sequence);
  tokens_ += sequence.tokens.size();
  if (sequence.tenant->waiting++ == 0) ++tenants_;
  sequence.tenant->waiting_tokens += sequence.tokens.size();
}

void WaitingLine::remove(Sequence& sequence) {
  line_.erase(std::find(line_.begin(), line_.end(), &sequence));
  tokens_ -= sequence.tokens.size();
  sequence.tenant->waiting_tokens -= sequence.tokens.size();
  if (--sequence.tenant->waiting == 0) --tenants_;
}

Sequence* WaitingLine::first() const {
  if (line_.empty()) return nullptr;
  Sequence* first = line_.back();
  if (tenants_ == 1) return first;
  // The first one met of each tenant is its first; so only the counters are compared.
  for (auto at = line_.rbegin() + 1; at != line_.rend(); ++at) {
    if ((*at)->request.priority != first->request.priority) break;
    if ((*at)->tenant->served < first->tenant->served) first = *at;
  }
  return first;
}

}  // namespace troupe
