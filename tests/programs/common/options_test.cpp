// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/options.h"

#include <gmock/gmock.h>

#include <fstream>

#include "pipelines/common/failure.h"
#include "tests/programs/common/bench.h"

namespace digfusion::pipelines {
namespace {

using test::CommandLine;
using test::Words;
using testing::HasSubstr;
using namespace std::chrono_literals;

class OptionsTest : public test::GstTest {
 protected:
  static std::string problem(const Words& words) {
    try {
      CommandLine(words).options.sources();
    } catch (const std::exception& error) {
      return error.what();
    }
    return "none";
  }
};

const Words cameras{"rtsp://host/1", "rtsp://host/2"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_F(OptionsTest, AddressesAreGivenByPlaceOrByName) {
  for (const Words& words : {cameras, Words{"--visible", "rtsp://host/1", "--infrared", "rtsp://host/2"},
                             Words{"--infrared", "rtsp://host/2", "rtsp://host/1"},
                             Words{"--visible=rtsp://host/1", "rtsp://host/2"}}) {
    const SourceOptions sources = CommandLine(words).options.sources();
    ASSERT_TRUE(sources.visible && sources.infrared);
    EXPECT_EQ(sources.visible->location, "rtsp://host/1");
    EXPECT_EQ(sources.infrared->location, "rtsp://host/2");
    EXPECT_TRUE(sources.pattern.empty());
  }
}

TEST_F(OptionsTest, DefaultsAreThoseOfTheStruct) {
  const SourceOptions sources = CommandLine(cameras).options.sources(), defaults;
  EXPECT_EQ(sources.timeout, defaults.timeout);
  EXPECT_EQ(sources.jitter_buffer, defaults.jitter_buffer);
  EXPECT_EQ(sources.rtsp_transport, defaults.rtsp_transport);
  const EndOptions end = CommandLine(cameras).options.end();
  EXPECT_EQ(end.frames, 0u);
  EXPECT_EQ(end.duration, 0ms);
}

TEST_F(OptionsTest, ValuesAreRead) {
  const CommandLine line(with(cameras, {"--timeout", "2.5", "--jitter-buffer", "50", "--rtsp-transport",
                                        "tcp", "--frames", "7", "--duration", "1.5", "--quiet"}));
  const SourceOptions sources = line.options.sources();
  EXPECT_EQ(sources.timeout, 2500ms);
  EXPECT_EQ(sources.jitter_buffer, 50ms);
  EXPECT_EQ(sources.rtsp_transport, "tcp");
  EXPECT_EQ(line.options.end().frames, 7u);
  EXPECT_EQ(line.options.end().duration, 1500ms);
  EXPECT_TRUE(line.options.quiet());
}

TEST_F(OptionsTest, ASceneTakesTheCamerasPlace) {
  const SourceOptions plain = CommandLine({"--test"}).options.sources();
  EXPECT_EQ(plain.pattern, "smoke");
  EXPECT_FALSE(plain.visible || plain.infrared);
  const SourceOptions night =
      CommandLine({"--test", "night", "--test-seed", "9", "--size", "320x240", "--rate", "10"})
          .options.sources();
  EXPECT_EQ(night.pattern, "night");
  EXPECT_EQ(night.seed, 9u);
  EXPECT_EQ(night.width, 320);
  EXPECT_EQ(night.height, 240);
  EXPECT_EQ(night.rate, 10);
}

TEST_F(OptionsTest, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_THAT(problem({}), HasSubstr("VISIBLE and INFRARED, or --test"));
  EXPECT_THAT(problem({"rtsp://host/1"}), HasSubstr("infrared camera's address is missing"));
  EXPECT_THAT(problem({"--infrared", "rtsp://host/1"}), HasSubstr("visible camera's address is missing"));
  EXPECT_THAT(problem(with(cameras, {"--test"})), HasSubstr("don't go together"));
  EXPECT_THAT(problem(with(cameras, {"--size", "320x240"})), HasSubstr("--size is for --test"));
  EXPECT_THAT(problem({"--test", "fog"}), HasSubstr("smoke"));
  for (const char* size : {"320", "320x", "320x240x", "8x8", "9000x100", "a"})
    EXPECT_THAT(problem({"--test", "--size", size}), HasSubstr("--size")) << size;
  EXPECT_NE(problem(with(cameras, {"--timeout", "0"})), "none");
  EXPECT_NE(problem(with(cameras, {"--rtsp-transport", "pigeon"})), "none");
}

TEST_F(OptionsTest, CredentialsComeFromAFileThatOthersCannotRead) {
  const test::TemporaryFolder folder;
  const std::string file = folder.at("credentials");
  std::ofstream(file) << "# cameras\nvisible eve pass word@/\n\ninfrared bob 1234\n";
  std::filesystem::permissions(file, std::filesystem::perms(0644));
  EXPECT_THAT(problem(with(cameras, {"--credentials", file})), HasSubstr("chmod 600"));
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  const SourceOptions sources = CommandLine(with(cameras, {"--credentials", file})).options.sources();
  EXPECT_EQ(sources.visible->user, "eve");
  EXPECT_EQ(sources.visible->password, "pass word@/");
  EXPECT_EQ(sources.infrared->user, "bob");
  EXPECT_EQ(sources.infrared->password, "1234");

  std::ofstream(file) << "visible eve secret\nthermal bob secret\n";
  const std::string wrong = problem(with(cameras, {"--credentials", file}));
  EXPECT_THAT(wrong, HasSubstr("line 2"));
  EXPECT_EQ(wrong.find("secret"), std::string::npos);
  EXPECT_THAT(problem(with(cameras, {"--credentials", folder.at("none")})), HasSubstr("no such file"));
}

TEST_F(OptionsTest, FusionParametersAreSetOnTheElement) {
  const ObjectPtr<GstElement> element(GST_ELEMENT(gst_object_ref_sink(make_element("digfusion"))));
  CommandLine({"--test", "--steps", "7", "--preset", "paper", "--sharpness", "2.5", "--levels", "400,40"})
      .options.apply_fusion(element.get());
  gint steps = 0, method = -1;
  gdouble sharpness = 0;
  gchar* levels = nullptr;
  g_object_get(element.get(), "steps", &steps, "sharpness", &sharpness, "levels", &levels, "method", &method,
               nullptr);
  EXPECT_EQ(steps, 7);  // over the preset, although given before it
  EXPECT_EQ(sharpness, 2.5);
  EXPECT_STREQ(levels, "400,40");
  EXPECT_EQ(method, int(Method::guided));
  g_free(levels);
}

}  // namespace
}  // namespace digfusion::pipelines
