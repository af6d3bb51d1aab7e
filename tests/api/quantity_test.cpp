#include "api/quantity.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace keelson::api {
namespace {

Quantity q(const std::string& text) {
  auto parsed = Quantity::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed.value_or(Quantity{});
}

struct Canonical {
  const char* in;
  const char* out;
};

class QuantityCanonical : public testing::TestWithParam<Canonical> {};

TEST_P(QuantityCanonical, PrintsTheCanonicalForm) {
  EXPECT_EQ(q(GetParam().in).to_string(), GetParam().out) << GetParam().in;
}

TEST_P(QuantityCanonical, CanonicalFormIsAFixedPoint) {
  const Quantity first = q(GetParam().in);
  EXPECT_EQ(q(first.to_string()), first);
  EXPECT_EQ(q(first.to_string()).to_string(), first.to_string());
}

INSTANTIATE_TEST_SUITE_P(
    Published, QuantityCanonical,
    testing::Values(
        Canonical{"0", "0"}, Canonical{"0n", "0"}, Canonical{"-0", "0"}, Canonical{"0Ki", "0"}, Canonical{"0e5", "0"},
        Canonical{"1", "1"}, Canonical{"+1", "1"}, Canonical{"-1", "-1"}, Canonical{"00001", "1"}, Canonical{"1.", "1"},
        Canonical{".5", "500m"}, Canonical{"0.5", "500m"}, Canonical{"1.5", "1500m"}, Canonical{"0.001", "1m"},
        Canonical{"0.0001", "100u"}, Canonical{"1000", "1k"}, Canonical{"1000000", "1M"}, Canonical{"1024", "1024"},
        Canonical{"1024Mi", "1Gi"}, Canonical{"1.5Gi", "1536Mi"}, Canonical{"1000Ki", "1000Ki"},
        Canonical{"1Ki", "1Ki"}, Canonical{"0.5Ki", "512"}, Canonical{"0.5Mi", "512Ki"}, Canonical{"1023", "1023"},
        Canonical{"0.3Ki", "307200m"}, Canonical{"1Ei", "1Ei"}, Canonical{"7Ei", "7Ei"}, Canonical{"1E", "1E"},
        Canonical{"1e3", "1e3"}, Canonical{"1E3", "1e3"}, Canonical{"12e6", "12e6"}, Canonical{"1e+3", "1e3"},
        Canonical{"10e2", "1e3"}, Canonical{"1e2", "100"}, Canonical{"1e-3", "1e-3"}, Canonical{"1e-2", "10e-3"},
        Canonical{"100m", "100m"}, Canonical{"1000m", "1"}, Canonical{"1500m", "1500m"}, Canonical{"5n", "5n"},
        Canonical{"1000n", "1u"}, Canonical{"1000000000n", "1"}, Canonical{"-1500m", "-1500m"},
        Canonical{"-2Gi", "-2Gi"}, Canonical{"3k", "3k"}, Canonical{"5P", "5P"}, Canonical{"100000Ti", "100000Ti"}));

TEST(Quantity, RoundsWhatIsFinerThanANanoAwayFromZero) {
  EXPECT_EQ(q("0.1n").to_string(), "1n");
  EXPECT_EQ(q("-0.1n").to_string(), "-1n");
  EXPECT_EQ(q("1e-30").to_string(), "1e-9");
  EXPECT_EQ(q("1.0000000001").to_string(), "1000000001n");
  EXPECT_EQ(q("1e-10000000").to_string(), "1e-9");
  EXPECT_EQ(q("0e-10000000").to_string(), "0");
}

TEST(Quantity, CapsAtTheLargestInteger) {
  const std::int64_t max = std::numeric_limits<std::int64_t>::max();
  for (const char* text : {"9223372036854775807", "9223372036854775808", "10E", "8Ei", "1e30", "1e1000000000",
                           "99999999999999999999999999999999999999999999999", "100000000000Ei"}) {
    EXPECT_EQ(q(text).value(), max) << text;
    EXPECT_EQ(q(std::string("-") + text).value(), -max) << text;
  }
  EXPECT_EQ(q("9223372036854775806").value(), max - 1);
  EXPECT_EQ(q("9223372036854775807").milli_value(), max);
}

TEST(Quantity, FractionsOfBinaryUnitsAreExact) {
  EXPECT_EQ(q("0.1Gi").to_string(), "107374182400m");
  EXPECT_EQ(q("0.1Ei").value(), 115292150460684698); // 2^60 / 10 = ...697.6
  EXPECT_EQ(q("0.0000000000000000000000000001Ei").to_string(), "1n");
  EXPECT_EQ(q("1.000000000931322574615478515625Gi").value(), 1073741825); // 2^30 + 1, to the last digit
}

TEST(Quantity, ValuesRoundAwayFromZero) {
  EXPECT_EQ(q("1m").value(), 1);
  EXPECT_EQ(q("1001m").value(), 2);
  EXPECT_EQ(q("-1001m").value(), -2);
  EXPECT_EQ(q("1n").milli_value(), 1);
  EXPECT_EQ(q("1500u").milli_value(), 2);
  EXPECT_EQ(q("100m").milli_value(), 100);
  EXPECT_EQ(q("2").milli_cpu(), MilliCpu{2000});
  EXPECT_EQ(q("128Mi").bytes(), Bytes{134217728});
  EXPECT_EQ(q("100u").rounded_to_milli(), q("1m"));
  EXPECT_EQ(q("1500m").rounded_to_milli(), q("1500m"));
}

class QuantityRefused : public testing::TestWithParam<const char*> {};

TEST_P(QuantityRefused, IsNotAQuantity) {
  const auto parsed = Quantity::parse(GetParam());
  ASSERT_FALSE(parsed.has_value()) << parsed->to_string();
  EXPECT_EQ(parsed.error().code, Code::invalid_argument);
  EXPECT_NE(parsed.error().message.find("is not a quantity: use a number with a unit such as 128Mi"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Malformed, QuantityRefused,
                         testing::Values("", " ", ".", "+", "-", "+-1", "--1", "1..2", "1.2.3", "1 Mi", " 1", "1 ",
                                         "12Q!", "1K", "1ki", "1KI", "1KiB", "1MB", "1mi", "1e", "1E+", "1e1.5",
                                         "1e+-3", "1ee3", "e3", "Mi", "0x10", "1_000", "1,5", "inf", "nan", "1mm",
                                         "1Kim", "1e5m", "1e99999999999999999999"));

TEST(Quantity, RefusesVeryLongText) {
  EXPECT_FALSE(Quantity::parse(std::string(100'000, '9')).has_value());
  EXPECT_TRUE(Quantity::parse("1." + std::string(500, '0')).has_value());
}

TEST(Quantity, ComparesByValue) {
  EXPECT_EQ(q("1Ki"), q("1024"));
  EXPECT_EQ(q("1"), q("1000m"));
  EXPECT_LT(q("999m"), q("1"));
  EXPECT_LT(q("-1"), q("0"));
  EXPECT_GT(q("1Mi"), q("1M"));
}

TEST(Quantity, AddsAndSaturates) {
  EXPECT_EQ((q("100m") + q("0.9")).to_string(), "1");
  EXPECT_EQ((Quantity{} + q("1Gi")).to_string(), "1Gi"); // zero takes the other's format
  EXPECT_EQ((q("1Gi") - q("1Mi")).to_string(), "1023Mi");
  EXPECT_EQ((q("9E") + q("9E")).value(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ((q("-9E") - q("9E")).value(), -std::numeric_limits<std::int64_t>::max());
}

TEST(Quantity, DividesRoundingUp) {
  EXPECT_EQ(q("1500m").divided_by(q("1")), 2);
  EXPECT_EQ(q("1500m").divided_by(q("1m")), 1500);
  EXPECT_EQ(q("32Mi").divided_by(q("1Mi")), 32);
  EXPECT_EQ(q("33000Ki").divided_by(q("1Mi")), 33);
  EXPECT_EQ(q("5").divided_by(Quantity{}), 5);
}

TEST(Quantity, FromNumbers) {
  EXPECT_EQ(Quantity::from_milli(1500), q("1.5"));
  EXPECT_EQ(Quantity::from_value(1 << 20, Quantity::Format::binary_si).to_string(), "1Mi");
  EXPECT_EQ(Quantity::from_value(std::numeric_limits<std::int64_t>::min()).value(),
            -std::numeric_limits<std::int64_t>::max());
}

TEST(ResourceList, AbsentIsZero) {
  const ResourceList list{{"cpu", q("1")}};
  EXPECT_EQ(amount_of(list, "cpu"), q("1"));
  EXPECT_TRUE(amount_of(list, "memory").is_zero());
}

} // namespace
} // namespace keelson::api
