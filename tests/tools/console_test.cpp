// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/console.h"

#include <gtest/gtest.h>

#include "core/tools/subprocess.h"

namespace digfusion::tools {
namespace {

TEST(Console, ProgressHasBarRateAndTimeLeft) {
  EXPECT_EQ(progress_text("pictures", 0, 10, 0), "[------------------------] 0/10 pictures");
  EXPECT_EQ(progress_text("pictures", 5, 10, 2.5),
            "[############------------] 5/10 pictures  2.00 pictures/s  0:03 left");
  EXPECT_EQ(progress_text("pictures", 10, 10, 0.1),
            "[########################] 10/10 pictures  100 pictures/s");
}

TEST(Console, DurationsReadAsClocks) {
  EXPECT_EQ(duration_text(0.4), "0:00");
  EXPECT_EQ(duration_text(59.7), "1:00");
  EXPECT_EQ(duration_text(754), "12:34");
  EXPECT_EQ(duration_text(3723), "1:02:03");
}

TEST(Console, WrapsBetweenWordsAndKeepsIndents) {
  EXPECT_EQ(wrap("one two three", 7), "one two\nthree");
  EXPECT_EQ(wrap("a\n  bb cc dd\n", 7), "a\n  bb cc\n  dd\n");
  EXPECT_EQ(wrap("incomprehensibility is", 5), "incomprehensibility\nis");
  EXPECT_EQ(wrap("λλλ λλ", 6), "λλλ λλ");
  EXPECT_EQ(wrap("", 5), "");
}

TEST(Console, NumbersAreGroupedByThousands) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1068420), "1,068,420");
  EXPECT_EQ(grouped(-1000), "-1,000");
  EXPECT_EQ(grouped(-100), "-100");
  EXPECT_EQ(number_text(1.26, 1), "1.3");
}

TEST(Subprocess, GivesOutputErrorsAndExitCode) {
  // More than a pipe holds on either side, by turns.
  const ProcessResult result =
      run_process({"sh", "-c", "for i in 1 2 3; do seq 20000; seq 20000 >&2; done; cat; exit 7"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, result.err);
  EXPECT_EQ(result.out.size(), 3u * 108894u);
  EXPECT_EQ(run_process({"sh", "-c", "kill -9 $$"}).exit_code, 137);
  EXPECT_ANY_THROW(run_process({"/no/such/program"}));
}

}  // namespace
}  // namespace digfusion::tools
