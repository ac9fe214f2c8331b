#pragma once
// The fields of OpenAI's and vLLM's requests that this server does not have: asking for one is answered with 400
// instead of an answer that silently lacks it. A field that says "none of it" (null, false, [], {}, "") passes.
#include "net/schema/json_fields.hpp"

namespace troupe {

void refuse_unsupported(JsonFields& fields);           // of both kinds of request
void refuse_chat_fields(JsonFields& fields);           // of a request that is no chat
void refuse_completion_fields(JsonFields& fields);     // of a request that is one
void refuse_unsupported_message(JsonFields& message);  // of one message of a chat

}  // namespace troupe
