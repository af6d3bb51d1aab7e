// Random identifiers from getrandom(2).
#pragma once

#include <string>

namespace keelson {

std::string random_hex(std::size_t bytes); // twice as many characters
std::string random_id();                   // 64 hexadecimal digits, the form of CRI sandbox and container ids
std::string random_uuid();                 // RFC 4122 version 4

} // namespace keelson
