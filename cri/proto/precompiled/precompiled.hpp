// base/precompiled/ and the messages of the Container Runtime Interface, for the folders that speak it.
#ifndef KEELSON_CRI_PRECOMPILED_HPP
#define KEELSON_CRI_PRECOMPILED_HPP

#include "base/precompiled/precompiled.hpp"
#include "cri/proto/runtime_v1.pb.h"

#endif
