// HTTP and HTTPS GET with kubelet's rules for success, redirects and limits. On the prober's thread only.
#pragma once

#include "health/http_request.hpp"
#include "health/socket_probe.hpp"

namespace boost::asio::ssl {
class context;
} // namespace boost::asio::ssl

namespace keelson::health {

// A status from 200 to 299 is success, a redirect that is not followed a warning, anything else a failure.
ProbeOutcome judge_http_status(unsigned status, std::string_view body);

std::shared_ptr<SocketProbe> make_http_probe(HttpRequest request, boost::asio::ssl::context& tls,
                                             SocketProbeContext context);

} // namespace keelson::health
