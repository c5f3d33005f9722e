// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/failure.h"

#include <gmock/gmock.h>
#include <gst/pbutils/pbutils.h>

#include "pipelines/common/frame.h"
#include "tests/programs/common/bench.h"

namespace digfusion::pipelines {
namespace {

using testing::HasSubstr;

class FailureTest : public test::GstTest {
 protected:
  static MiniPtr<GstMessage> error(GQuark domain, int code, const char* text, const char* debug) {
    GError* raw = g_error_new_literal(domain, code, text);
    MiniPtr<GstMessage> message(gst_message_new_error(nullptr, raw, debug));
    g_error_free(raw);
    return message;
  }
};

TEST_F(FailureTest, ErrorsAreExplained) {
  const struct {
    GQuark domain;
    int code;
    const char* debug;
    Cause cause;
    const char* part;
  } rows[] = {
      {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "", Cause::credentials, "refused"},
      {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "", Cause::not_found, "nothing at this address"},
      {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ_WRITE, "Failed to connect. (Generic error)",
       Cause::unreachable, "can't be reached"},
      {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "(Timeout while waiting for server response)",
       Cause::unreachable, "doesn't answer"},
      {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "gone", Cause::unreachable, "connection was lost"},
      {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY, "", Cause::unreachable, "another program"},
      {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "", Cause::no_space, "disk is full"},
      {GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND, "", Cause::codec, "apt-get install"},
      {GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND, "", Cause::other, "known format"},
      {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, "", Cause::other, "what the element said"},
  };
  for (const auto& row : rows) {
    const auto message = error(row.domain, row.code, "what the element said", row.debug);
    const Explanation explanation = explain(message.get(), "the infrared camera rtsp://eve:pw@host/");
    EXPECT_EQ(explanation.cause, row.cause) << row.part;
    EXPECT_THAT(explanation.text, HasSubstr(row.part));
    EXPECT_THAT(explanation.text, HasSubstr("the infrared camera rtsp://eve:***@host/: "));
    EXPECT_EQ(explain(message.get(), "").text.find("the infrared"), std::string::npos);
  }
}

TEST_F(FailureTest, AMissingDecoderIsNamedWithItsPackage) {
  const ObjectPtr<GstElement> element(GST_ELEMENT(gst_object_ref_sink(gst_bin_new(nullptr))));
  const struct {
    const char *caps, *name, *package;
  } rows[] = {
      {"video/x-h264", "H.264", "gstreamer1.0-libav"},
      {"video/x-h265", "H.265", "gstreamer1.0-libav"},
      {"image/jpeg", "JPEG", "gstreamer1.0-plugins-good"},
      {"video/x-vp9", "VP9", "gstreamer1.0-plugins-good"},
      {"video/x-av1", "AV1", "gstreamer1.0-plugins-bad"},
  };
  const auto failed = error(GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND, "no decoder", "");
  for (const auto& row : rows) {
    const MiniPtr<GstCaps> caps(gst_caps_from_string(row.caps));
    const MiniPtr<GstMessage> missing(gst_missing_decoder_message_new(element.get(), caps.get()));
    const Explanation explanation = explain(failed.get(), "the camera", missing.get());
    EXPECT_EQ(explanation.cause, Cause::codec);
    EXPECT_THAT(explanation.text, HasSubstr(row.name));
    EXPECT_THAT(explanation.text, HasSubstr("is missing: apt-get install " + std::string(row.package)));
  }
}

TEST_F(FailureTest, AMissingElementIsNamedWithItsPackage) {
  EXPECT_EQ(package_of("x264enc"), "gstreamer1.0-plugins-ugly");
  EXPECT_EQ(package_of("avdec_h264"), "gstreamer1.0-libav");
  EXPECT_EQ(package_of("vah264enc"), "gstreamer1.0-plugins-bad");
  EXPECT_EQ(package_of("videoconvert"), "gstreamer1.0-plugins-base");
  EXPECT_EQ(package_of("avidemux"), "gstreamer1.0-plugins-good");
  EXPECT_EQ(package_of("nothing"), "");
  EXPECT_FALSE(has_element("nothing"));
  try {
    make_element("nothing");
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("the element nothing is missing"));
  }
}

TEST_F(FailureTest, PasswordsAreHidden) {
  const struct {
    const char *text, *shown;
  } rows[] = {
      {"can't open rtsp://eve:pw@host/x now", "can't open rtsp://eve:***@host/x now"},
      {"rtsp://eve:p@w@host", "rtsp://eve:***@host"},
      {"rtsp://eve:p/w@host", "rtsp://eve:***@host"},
      {"rtsp://eve:123@host and http://a:b@c", "rtsp://eve:***@host and http://a:***@c"},
      {"rtsp://eve@b.org:pw@host", "rtsp://eve@b.org:***@host"},
      {"rtsp://host:554/cam@1", "rtsp://host:554/cam@1"},
      {"rtsp://host/cam@1:2", "rtsp://host/cam@1:2"},
      {"srt://h:1?passphrase=abc&x=1", "srt://h:1?passphrase=***&x=1"},
      {"no address: eve@host", "no address: eve@host"},
  };
  for (const auto& row : rows) EXPECT_EQ(without_passwords(row.text), row.shown);
}

}  // namespace
}  // namespace digfusion::pipelines
