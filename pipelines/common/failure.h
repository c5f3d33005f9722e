// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What ends a program, in words for its operator: what was wrong, where, what to do.
#pragma once

#include <gst/gst.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace digfusion::pipelines {

/// Its message is shown after "digfusion-NAME: "; the exit code is 1.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The command line asks for what cannot be; the exit code is 2.
class UsageFailure : public Failure {
 public:
  using Failure::Failure;
};

/// A new element, floating. Throws Failure when it isn't installed, with the package to install:
/// "the element x264enc is missing: apt-get install gstreamer1.0-plugins-ugly".
GstElement* make_element(const char* factory, const char* name = nullptr);
bool has_element(const char* factory);
/// The Debian package that brings an element, or an empty text where we don't know.
std::string_view package_of(std::string_view factory);
/// The same for the source of a scheme ("rtsp").
std::string_view package_of_scheme(std::string_view scheme);

/// Whether trying again can help.
enum class Cause {
  unreachable,  ///< no route, refused, timed out, server gone: it may come back
  credentials,  ///< user name or password refused
  not_found,    ///< the server, or the disk, has nothing of that name
  codec,        ///< a plugin is missing: the text names the package
  no_space,     ///< the disk is full
  other
};

struct Explanation {
  Cause cause = Cause::other;
  std::string text;  ///< a sentence for the operator; never shows a password
};

/// What an error message of the bus means for its user: `what` says whose it is ("the infrared camera
/// rtsp://camera/2"); empty: it isn't said. Missing-plugin messages seen before it on the same bus explain a
/// "no decoder" error: pass the last one as `missing`, or null.
Explanation explain(GstMessage* error, std::string_view what, GstMessage* missing = nullptr);

/// An error's own message, without passwords.
std::string error_text(GstMessage* error);

/// `text` without the passwords of the addresses in it: "rtsp://user:***@host/…".
std::string without_passwords(std::string_view text);

}  // namespace digfusion::pipelines
