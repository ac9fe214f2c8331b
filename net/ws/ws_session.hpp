#pragma once
// A WebSocket at /v1/ws that carries several generations at a time. docs/websocket.md describes the messages.
//
// The HTTP session hands over: it has read the upgrade request, found it to be one (websocket::is_upgrade), routed it
// and checked the API key. From here on the socket belongs to the WebSocket; the call returns at once and the session
// keeps itself alive. The stream's executor must be a strand or have one thread. A client must not send frames before
// it has our answer: when the HTTP session has read more than the head, it refuses the upgrade.
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

#include "net/ws/ws_context.hpp"

namespace troupe {

// `upgrade` is the head of the request (`parser.release().base()`). A bad handshake is answered with its HTTP status
// and the connection is closed.
void run_ws_session(boost::beast::tcp_stream stream, boost::beast::http::request_header<> upgrade, WsContext context);

}  // namespace troupe
