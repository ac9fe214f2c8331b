#include "actors/shell.hpp"

#include <caf/actor_system.hpp>
#include <caf/error.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/logger.hpp>
#include <caf/sec.hpp>
#include <caf/stateful_actor.hpp>

#include <atomic>
#include <exception>
#include <string>

#include "runtime/log.hpp"

namespace troupe {
namespace {

struct ShellState {
  ShellState() = default;  // an aggregate here would be initialised from the actor's pointer
  const char* name = "actor";
  std::unique_ptr<ActorLogic> logic;
};

std::atomic<std::uint64_t> messages = 0;

class CountedActor : public caf::event_based_actor {
 public:
  using caf::event_based_actor::enqueue;
  using caf::event_based_actor::event_based_actor;
  void enqueue(caf::mailbox_element_ptr message, caf::execution_unit* unit) override {
    messages.fetch_add(1, std::memory_order_relaxed);
    caf::event_based_actor::enqueue(std::move(message), unit);
  }
};
using Shell = caf::stateful_actor<ShellState, CountedActor>;

caf::error report(const char* name, const std::exception_ptr& thrown) {
  std::string why = "an unknown exception";
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    why = e.what();
  } catch (...) {
  }
  log(LogLevel::kError, "actors", std::string(name) + " died: " + why);
  return caf::make_error(caf::sec::runtime_error);
}

caf::behavior start(Shell* self, const char* name, const MakeLogic& make) {
  self->state.name = name;
  // The framework's own handlers print to standard output.
  self->set_default_handler(caf::drop);
  self->set_exception_handler([name](std::exception_ptr& thrown) { return report(name, thrown); });
  self->set_down_handler([self](caf::down_msg& down) {
    if (self->state.logic) self->state.logic->down(down);
  });
  self->set_error_handler([](caf::error&) {});
  self->set_exit_handler([self](caf::exit_msg& exit) { self->quit(exit.reason); });
  self->state.logic = make(self);
  return self->state.logic->behavior();
}

}  // namespace

caf::actor spawn_actor(caf::actor_system& system, const char* name, bool detached, MakeLogic make) {
  if (detached) return system.spawn<caf::detached>(start, name, std::move(make));
  return system.spawn(start, name, std::move(make));
}

std::uint64_t messages_sent() { return messages.load(std::memory_order_relaxed); }

void let_go_of_actor_system() { caf::logger::set_current_actor_system(nullptr); }

}  // namespace troupe
