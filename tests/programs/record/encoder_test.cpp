// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

/// Encoders that are installed, and what is wrong with each.
class Fake {
 public:
  using Installed = std::map<std::string, std::string>;
  explicit Fake(Installed installed) : installed_(std::move(installed)) {}
  EncoderProbe probe() {
    return {[this](const char* element) { return installed_.contains(element); },
            [this](const Encoder& encoder, Container) {
              tried.push_back(encoder.name());
              return installed_.at(encoder.name());
            }};
  }
  std::vector<std::string> tried;

 private:
  const Installed installed_;
};

class EncoderTest : public testing::Test {
 protected:
  EncoderTest() { gst_init(nullptr, nullptr); }
  static std::string failure_of(const EncoderWish& wish, const EncoderProbe& probe = real_encoder_probe(),
                                Container container = Container::mp4) {
    try {
      choose_encoder(wish, container, probe);
    } catch (const Failure& failure) {
      return failure.what();
    }
    return "";
  }
};

TEST_F(EncoderTest, ChoosesHardwareFirst) {
  Fake all({{"nvh264enc", ""}, {"vah264enc", ""}, {"x264enc", ""}, {"openh264enc", ""}});
  EXPECT_EQ(choose_encoder({}, Container::mp4, all.probe()).encoder.name(), "nvh264enc");
  EXPECT_THAT(all.tried, ElementsAre("nvh264enc"));
  Fake no_nvidia({{"vah264enc", ""}, {"x264enc", ""}});
  EXPECT_EQ(choose_encoder({}, Container::mp4, no_nvidia.probe()).encoder.name(), "vah264enc");
  Fake software({{"openh264enc", ""}, {"x264enc", ""}});
  EXPECT_EQ(choose_encoder({}, Container::mp4, software.probe()).encoder.name(), "x264enc");
}

TEST_F(EncoderTest, PassesOverWhatIsInstalledAndDoesNotWork) {
  Fake fake(
      {{"nvh264enc", "no device"}, {"vah264enc", "no driver"}, {"x264enc", "crashes"}, {"openh264enc", ""}});
  const EncoderChoice choice = choose_encoder({}, Container::mp4, fake.probe());
  EXPECT_EQ(choice.encoder.name(), "openh264enc");
  EXPECT_THAT(choice.passed_over,
              ElementsAre("nvh264enc: no device", "vah264enc: no driver", "x264enc: crashes"));
}

TEST_F(EncoderTest, NamesThePackagesWhereThereIsNone) {
  const std::string none = failure_of({}, Fake(Fake::Installed{}).probe());
  EXPECT_THAT(none, HasSubstr("apt-get install gstreamer1.0-plugins-ugly brings x264enc"));
  EXPECT_THAT(none, HasSubstr("apt-get install gstreamer1.0-plugins-bad brings openh264enc"));
  EXPECT_THAT(failure_of({}, Fake(Fake::Installed{{"x264enc", "out of order"}}).probe()),
              HasSubstr("x264enc: out of order"));
}

TEST_F(EncoderTest, TakesTheOneThatIsAskedForOrNone) {
  const std::string absent =
      failure_of({.description = "x264enc bitrate=900"}, Fake(Fake::Installed{{"openh264enc", ""}}).probe());
  EXPECT_THAT(absent, HasSubstr("x264enc isn't there"));
  EXPECT_THAT(absent, HasSubstr("gstreamer1.0-plugins-ugly"));
  EXPECT_THAT(failure_of({.description = "nosuchthing"}), HasSubstr("nosuchthing isn't there"));
}

TEST_F(EncoderTest, AKindsNameMeansItsSettingsAndADescriptionIsTakenAsItIs) {
  if (!has_element("x264enc")) GTEST_SKIP() << "x264enc isn't installed";
  Fake fake(Fake::Installed{{"x264enc", ""}});
  const auto description = [&](const EncoderWish& wish) {
    return choose_encoder(wish, Container::mp4, fake.probe()).encoder.description;
  };
  EXPECT_THAT(description({.description = "x264enc", .bitrate = 900}), HasSubstr("tune=zerolatency"));
  EXPECT_THAT(description({.description = "x264enc", .bitrate = 900}), HasSubstr("bitrate=900"));
  EXPECT_EQ(description({.description = "x264enc bitrate=1"}), "x264enc bitrate=1");
}

TEST_F(EncoderTest, BitrateAndQualityMeanTheSameForAll) {
  for (const EncoderKind& kind : encoder_kinds()) {
    const std::string by_rate = encoder_description(kind, {.bitrate = 1500});
    const std::string rate = kind.bitrate_unit == 1 ? " bitrate=1500000" : " bitrate=1500";
    EXPECT_THAT(by_rate, testing::EndsWith(rate)) << by_rate;
    EXPECT_THAT(encoder_description(kind, {.quality = 31}), HasSubstr("=31")) << kind.element;
  }
}

// What is installed here, for real.
class EachEncoderTest : public EncoderTest, public testing::WithParamInterface<EncoderKind> {
 protected:
  void SetUp() override {
    if (!has_element(GetParam().element)) GTEST_SKIP() << GetParam().element << " isn't installed";
  }
};

TEST_P(EachEncoderTest, WorksWithItsSettings) {
  for (const EncoderWish& wish : {EncoderWish{}, EncoderWish{.bitrate = 800}})
    for (const Container container : {Container::mp4, Container::matroska}) {
      const Encoder encoder{encoder_description(GetParam(), wish), "h264parse"};
      EXPECT_EQ(real_encoder_probe().try_out(encoder, container), "") << encoder.description;
    }
}

TEST_P(EachEncoderTest, MakesSmallerPicturesOfLowerQuality) {
  const auto size_with = [](const EncoderWish& wish) {
    const Encoder encoder{encoder_description(GetParam(), wish), "h264parse"};
    GError* error = nullptr;
    GstElement* pipeline = gst_pipeline_new(nullptr);
    GstElement* source = gst_parse_bin_from_description(
        "videotestsrc pattern=smpte num-buffers=30 ! capsfilter "
        "caps=video/x-raw,width=320,height=240,framerate=25/1",
        TRUE, &error);
    GstElement* encode = make_encoder_bin(encoder);
    GstElement* sink = make_element("fakesink");
    gst_bin_add_many(GST_BIN(pipeline), source, encode, sink, nullptr);
    EXPECT_TRUE(gst_element_link_many(source, encode, sink, nullptr));
    std::size_t size = 0;
    GstPad* pad = gst_element_get_static_pad(encode, "src");
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo* info, gpointer sum) {
          *static_cast<std::size_t*>(sum) += gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info));
          return GST_PAD_PROBE_OK;
        },
        &size, nullptr);
    gst_object_unref(pad);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 30 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    EXPECT_TRUE(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS);
    if (message) gst_message_unref(message);
    gst_object_unref(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    return size;
  };
  EXPECT_GT(size_with({.quality = 18}), 3 * size_with({.quality = 40}) / 2);
}

INSTANTIATE_TEST_SUITE_P(Kinds, EachEncoderTest,
                         testing::ValuesIn(encoder_kinds().begin(), encoder_kinds().end()),
                         [](const auto& info) { return std::string(info.param.element); });

TEST_F(EncoderTest, AnotherCodecGetsItsParser) {
  if (!has_element("vp8enc")) GTEST_SKIP() << "vp8enc isn't installed";
  const EncoderChoice choice = choose_encoder({.description = "vp8enc deadline=1"}, Container::matroska);
  EXPECT_EQ(choice.encoder.parser, "identity");
  if (has_element("x264enc")) {
    EXPECT_EQ(choose_encoder({.description = "x264enc tune=zerolatency"}, Container::mp4).encoder.parser,
              "h264parse");
  }
}

TEST_F(EncoderTest, SaysWhatIsWrongWithADescription) {
  if (!has_element("x264enc") || !has_element("vp8enc")) GTEST_SKIP() << "encoders aren't installed";
  EXPECT_THAT(failure_of({.description = "x264enc nosuch=1"}), HasSubstr("nosuch"));
  EXPECT_THAT(failure_of({.description = "identity"}), StartsWith("--encoder identity doesn't work here"));
  EXPECT_THAT(failure_of({.description = "vp8enc"}, real_encoder_probe(), Container::mp4),
              HasSubstr("mp4mux"));
}

TEST_F(EncoderTest, RefusesOneThatMakesNoKeyFrames) {
  if (!has_element("x264enc")) GTEST_SKIP() << "x264enc isn't installed";
  const EncoderWish wish{.description = "x264enc tune=zerolatency min-force-key-unit-interval=3600000000000"};
  EXPECT_THAT(failure_of(wish), HasSubstr("key frames"));
}

}  // namespace
}  // namespace digfusion::pipelines
