// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/failure.h"

#include <gst/pbutils/pbutils.h>

#include <algorithm>
#include <memory>
#include <regex>
#include <utility>

#include "pipelines/common/frame.h"

namespace digfusion::pipelines {
namespace {

// ---- packages

struct Package {
  std::string_view name;  ///< of an element, or what its name begins with where it ends in '*'
  std::string_view package;
};

constexpr std::string_view base = "gstreamer1.0-plugins-base", good = "gstreamer1.0-plugins-good",
                           bad = "gstreamer1.0-plugins-bad", ugly = "gstreamer1.0-plugins-ugly",
                           libav = "gstreamer1.0-libav";

/// Debian 12's packages of the elements that the programs use or an operator may name.
constexpr Package element_packages[] = {
    {"digfusion", "digfusion"},
    {"digtestsrc", "digfusion"},
    // base
    {"app*", base},
    {"audio*", base},
    {"compositor", base},
    {"decodebin*", base},
    {"parsebin", base},
    {"playbin*", base},
    {"uridecodebin*", base},
    {"urisourcebin", base},
    {"tcp*", base},
    {"textoverlay", "gstreamer1.0-x"},
    {"clockoverlay", "gstreamer1.0-x"},
    {"timeoverlay", "gstreamer1.0-x"},
    {"theora*", base},
    {"video*", base},
    // windows
    {"ximagesink", "gstreamer1.0-x"},
    {"xvimagesink", "gstreamer1.0-x"},
    {"gl*", "gstreamer1.0-gl"},
    {"gtk*", "gstreamer1.0-gtk3"},
    {"qml*", "gstreamer1.0-qt5"},
    {"autovideosink", good},
    // good
    {"rtspsrc", good},
    {"rtp*", good},
    {"udp*", good},
    {"v4l2*", good},
    {"matroska*", good},
    {"webmmux", good},
    {"splitmux*", good},
    {"multifile*", good},
    {"mp4mux", good},
    {"qt*", good},
    {"avi*", good},
    {"flv*", good},
    {"png*", good},
    {"jpeg*", good},
    {"taginject", good},
    {"vp8*", good},
    {"vp9*", good},
    {"soup*", good},
    // bad
    {"srt*", bad},
    {"h264parse", bad},
    {"h265parse", bad},
    {"mpegts*", bad},
    {"tsdemux", bad},
    {"openh264*", bad},
    {"openjpeg*", bad},
    {"x265enc", bad},
    {"nv*", bad},
    {"va*", bad},
    {"av1*", bad},
    {"aom*", bad},
    {"rtmp*", bad},
    {"webrtc*", bad},
    {"waylandsink", bad},
    {"fbdevsink", bad},
    {"kmssink", bad},
    // others
    {"x264enc", ugly},
    {"av*", libav},
    {"motioncells", "gstreamer1.0-opencv"},
    {"vaapi*", "gstreamer1.0-vaapi"},
};

/// Packages of decoders and demuxers, by the format that they read.
constexpr Package format_packages[] = {
    {"application/x-rtp", good}, {"image/jpeg", good},       {"image/png", good},  {"video/x-vp*", good},
    {"video/quicktime", good},   {"video/x-matroska", good}, {"video/webm", good}, {"video/x-msvideo", good},
    {"video/x-flv", good},       {"video/mpegts", bad},      {"video/x-av1", bad}, {"application/x-hls", bad},
    {"application/dash*", bad},  {"image/x-jpc", bad},       {"image/x-j2c", bad}, {"video/x-theora", base},
    {"video/*", libav},          {"audio/*", libav},         {"image/*", libav},
};

/// Packages of sources, by the scheme of their addresses.
constexpr Package scheme_packages[] = {
    {"rtsp*", good}, {"http*", good}, {"v4l2", good}, {"udp", good},
    {"rtp", good},   {"srt", bad},    {"rtmp*", bad}, {"rist", bad},
};

/// The longest name that fits; empty if none does.
template <std::size_t N>
std::string_view look_up(const Package (&table)[N], std::string_view name) {
  const Package* best = nullptr;
  for (const Package& row : table) {
    const bool open = row.name.ends_with('*');
    const std::string_view stem = row.name.substr(0, row.name.size() - (open ? 1 : 0));
    if ((open ? name.starts_with(stem) : name == stem) && (!best || row.name.size() > best->name.size()))
      best = &row;
  }
  return best ? best->package : std::string_view();
}

std::string install(std::string_view package) {
  return package.empty() ? "install the plugin that has it" : "apt-get install " + std::string(package);
}

// ---- messages

struct ErrorFree {
  void operator()(GError* error) const { g_error_free(error); }
};
struct Free {
  void operator()(gchar* text) const { g_free(text); }
};

/// "the H.264 (High Profile) decoder is missing: apt-get install gstreamer1.0-libav"
std::string missing_text(GstMessage* missing) {
  const std::unique_ptr<gchar, Free> what(gst_missing_plugin_message_get_description(missing));
  const GstStructure* structure = gst_message_get_structure(missing);
  const gchar* type = gst_structure_get_string(structure, "type");
  std::string_view package;
  if (g_strcmp0(type, "decoder") == 0) {
    GstCaps* caps = nullptr;
    if (gst_structure_get(structure, "detail", GST_TYPE_CAPS, &caps, nullptr) && caps) {
      package = look_up(format_packages, gst_structure_get_name(gst_caps_get_structure(caps, 0)));
      gst_caps_unref(caps);
    }
  } else if (const gchar* detail = gst_structure_get_string(structure, "detail")) {
    package = g_strcmp0(type, "urisource") == 0 ? look_up(scheme_packages, detail) : package_of(detail);
  }
  std::string name = what ? what.get() : "a plugin";
  if (g_strcmp0(type, "decoder") == 0 && name.find("decoder") == std::string::npos &&
      name.find("demuxer") == std::string::npos)
    name = "decoder for " + name;
  return "the " + name + " is missing: " + install(package);
}

/// What the debug text of an error tells beyond its message, which often says little more than that something
/// failed.
std::string_view reason_in(std::string_view debug) {
  static constexpr std::pair<std::string_view, std::string_view> reasons[] = {
      {"Timeout", "it doesn't answer"},
      {"timeout", "it doesn't answer"},
      {"timed out", "it doesn't answer"},
      {"onnection refused", "connection refused"},
      {"No route to host", "no route to the host"},
      {"nreachable", "the network is unreachable"},
      {"Name or service not known", "no such host"},
      {"Error resolving", "no such host"},
      {"reset by peer", "connection closed by the other side"},
      {"Device or resource busy", "another program uses it"},
      {"Permission denied", "no permission"},
      {"No such device", "the device has gone"},
  };
  for (const auto& [part, reason] : reasons)
    if (debug.find(part) != std::string_view::npos) return reason;
  return {};
}

struct Meaning {
  Cause cause;
  const char* text;
};

Meaning meaning_of_resource(int code) {
  switch (code) {
    case GST_RESOURCE_ERROR_NOT_AUTHORIZED:
      return {Cause::credentials, "user name or password refused"};
    case GST_RESOURCE_ERROR_NOT_FOUND:
      return {Cause::not_found, "there is nothing at this address"};
    case GST_RESOURCE_ERROR_NO_SPACE_LEFT:
      return {Cause::no_space, "the disk is full"};
    case GST_RESOURCE_ERROR_BUSY:
      return {Cause::unreachable, "another program uses it"};
    case GST_RESOURCE_ERROR_OPEN_READ:
    case GST_RESOURCE_ERROR_OPEN_WRITE:
    case GST_RESOURCE_ERROR_OPEN_READ_WRITE:
      return {Cause::unreachable, "can't be reached (wrong host or port, or it is switched off)"};
    case GST_RESOURCE_ERROR_READ:
    case GST_RESOURCE_ERROR_WRITE:
    case GST_RESOURCE_ERROR_CLOSE:
    case GST_RESOURCE_ERROR_SEEK:
      return {Cause::unreachable, "the connection was lost"};
    default:
      return {Cause::other, nullptr};
  }
}

Meaning meaning_of(const GError& error) {
  if (error.domain == GST_RESOURCE_ERROR) return meaning_of_resource(error.code);
  if (g_error_matches(&error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN) ||
      g_error_matches(&error, GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND))
    return {Cause::codec, "a plugin to decode it is missing: apt-get install gstreamer1.0-libav"};
  if (g_error_matches(&error, GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND) ||
      g_error_matches(&error, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE))
    return {Cause::other, "this isn't a video of a known format"};
  return {Cause::other, nullptr};
}

}  // namespace

GstElement* make_element(const char* factory, const char* name) {
  if (GstElement* element = gst_element_factory_make(factory, name)) return element;
  throw Failure("the element " + std::string(factory) + " is missing: " + install(package_of(factory)));
}

bool has_element(const char* factory) {
  return ObjectPtr<GstElementFactory>(gst_element_factory_find(factory)) != nullptr;
}

std::string_view package_of(std::string_view factory) { return look_up(element_packages, factory); }

std::string_view package_of_scheme(std::string_view scheme) { return look_up(scheme_packages, scheme); }

Explanation explain(GstMessage* message, std::string_view what, GstMessage* missing) {
  GError* raw_error = nullptr;
  gchar* raw_debug = nullptr;
  gst_message_parse_error(message, &raw_error, &raw_debug);
  const std::unique_ptr<GError, ErrorFree> error(raw_error);
  const std::unique_ptr<gchar, Free> debug(raw_debug);

  const std::string who = what.empty() ? "" : std::string(what) + ": ";
  const Meaning meaning = meaning_of(*error);
  Explanation explanation{meaning.cause, {}};
  if (missing && (meaning.cause == Cause::codec || error->domain == GST_STREAM_ERROR)) {
    explanation.cause = Cause::codec;
    explanation.text = who + missing_text(missing);
  } else {
    explanation.text = who + (meaning.text ? meaning.text : error->message);
    if (meaning.cause == Cause::unreachable)
      if (const auto reason = reason_in(debug ? debug.get() : error->message); !reason.empty())
        explanation.text = who + std::string(reason);
  }
  explanation.text = without_passwords(explanation.text);
  return explanation;
}

std::string error_text(GstMessage* message) {
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  const std::string text = without_passwords(error->message);
  g_error_free(error);
  return text;
}

std::string without_passwords(std::string_view text) {
  // The user part of an address ends at the last '@' before the path; a '/' in a password should have been
  // written as %2F, but what isn't must not be shown either, so the host's port must be a number.
  static const std::regex address(
      R"(([A-Za-z][A-Za-z0-9+.-]*://)([^\s/?#"':]*):((?!\d{1,5}[/?#"'\s])[^\s"']*)@)");
  static const std::regex parameter(R"(([?&](?:passphrase|password|passwd|pwd|pass|token)=)[^&\s"'#]*)",
                                    std::regex::icase);
  return std::regex_replace(std::regex_replace(std::string(text), address, "$1$2:***@"), parameter, "$1***");
}

}  // namespace digfusion::pipelines
