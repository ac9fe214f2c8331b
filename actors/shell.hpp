#pragma once
// The part every actor has in common. An actor here is a plain object (its logic) behind a mailbox: the shell makes
// the object on the actor's own thread, hands it the messages, and destroys it when the actor ends, however it ends.
// Whatever an actor must do at its end stands in its logic's destructor.
#include <caf/actor.hpp>
#include <caf/behavior.hpp>
#include <caf/fwd.hpp>

#include <cstdint>
#include <functional>
#include <memory>

namespace troupe {

class ActorLogic {
 public:
  virtual ~ActorLogic() = default;
  virtual caf::behavior behavior() = 0;       // called once, at the start
  virtual void down(const caf::down_msg&) {}  // a monitored actor ended
};

using MakeLogic = std::function<std::unique_ptr<ActorLogic>(caf::event_based_actor* self)>;

// `name` is a literal: it appears in the log. A detached actor has a thread of its own. An exception in a handler or
// in `make` ends the actor with an error and one line in the log; unknown messages are dropped; nothing is printed.
caf::actor spawn_actor(caf::actor_system& system, const char* name, bool detached, MakeLogic make);

// Messages sent to actors of this process so far, for whoever measures.
std::uint64_t messages_sent();

// A thread that is not the framework's calls this after it made or spawned something: such a thread silently keeps a
// reference to the system's logger, and the system's destructor waits for ever while a living thread does.
void let_go_of_actor_system();

}  // namespace troupe
