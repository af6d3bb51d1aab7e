// base/precompiled/ and GoogleTest, for the test programs.
#ifndef KEELSON_TEST_PRECOMPILED_HPP
#define KEELSON_TEST_PRECOMPILED_HPP

#include "base/precompiled/precompiled.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#endif
