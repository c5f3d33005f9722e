// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/address.h"

#include <gst/gst.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {
namespace {

namespace fs = std::filesystem;

/// What is wrong with the address that an option gave.
class Trouble {
 public:
  Trouble(std::string_view option, std::string_view text) : option_(option), text_(text) {}
  [[noreturn]] void operator()(const std::string& why) const {
    throw UsageFailure(std::string(option_) + ": " + without_passwords(text_) + ": " + why);
  }

 private:
  std::string_view option_, text_;
};

struct UriUnref {
  void operator()(GUri* uri) const { g_uri_unref(uri); }
};
using Uri = std::unique_ptr<GUri, UriUnref>;

struct Free {
  void operator()(gchar* text) const { g_free(text); }
};
using Text = std::unique_ptr<gchar, Free>;

std::string text_or_empty(const gchar* text) { return text ? text : ""; }

/// "/dev/video0, /dev/video2", or that there are none.
std::string devices_there() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/dev", error))
    if (const std::string name = entry.path().filename(); name.starts_with("video")) names.push_back(name);
  std::sort(names.begin(), names.end());
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "/dev/" : ", /dev/") + name;
  return list.empty() ? "this machine has no /dev/videoN" : "there are " + list;
}

bool is_device(const std::string& path) {
  struct stat status {};
  return path.starts_with("/dev/video") || (::stat(path.c_str(), &status) == 0 && S_ISCHR(status.st_mode));
}

void need_element(const char* factory, const Trouble& trouble) {
  if (has_element(factory)) return;
  trouble("the element " + std::string(factory) + " is missing: apt-get install " +
          std::string(package_of(factory)));
}

Address device_address(const std::string& path, const Trouble& trouble) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) trouble("there is no such device; " + devices_there());
  if (!S_ISCHR(status.st_mode)) trouble("this is no device");
  if (::access(path.c_str(), R_OK | W_OK) != 0)
    trouble("no permission to use the device: adduser YOU video, and log in again");
  need_element("v4l2src", trouble);
  Address address;
  address.transport = Transport::v4l2;
  address.location = path;
  return address;
}

/// Whether it reads like a host rather than a file: "192.168.1.9/stream", "camera.example:554".
bool looks_like_host(const std::string& text) {
  const std::string host = text.substr(0, text.find('/'));
  const bool has_port = host.find(':') != std::string::npos, has_user = host.find('@') != std::string::npos;
  const auto dots = std::count(host.begin(), host.end(), '.');
  const bool is_number = host.find_first_not_of("0123456789.:") == std::string::npos && dots == 3;
  return !host.empty() && (has_port || has_user || is_number);
}

Address file_address(const std::string& path, const Trouble& trouble) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    if (error && error != std::errc::no_such_file_or_directory) trouble(error.message());
    trouble(looks_like_host(path)
                ? "there is no such file; the address of a network camera begins with rtsp:// "
                  "or srt://"
                : "there is no such file");
  }
  if (fs::is_directory(status)) trouble("this is a folder, not a video");
  if (::access(path.c_str(), R_OK) != 0) trouble(std::string("can't be read: ") + std::strerror(errno));
  Address address;
  address.transport = Transport::file;
  address.location = fs::absolute(path, error).lexically_normal();
  return address;
}

Uri parse_uri(const std::string& text, const Trouble& trouble) {
  // Relaxed: a '@' or a lone '%' in a password is what people write. Path and query stay as they are, for the
  // element that opens them.
  constexpr auto flags = static_cast<GUriFlags>(
      int{G_URI_FLAGS_PARSE_RELAXED} | int{G_URI_FLAGS_HAS_PASSWORD} | int{G_URI_FLAGS_ENCODED_PATH} |
      int{G_URI_FLAGS_ENCODED_QUERY} | int{G_URI_FLAGS_ENCODED_FRAGMENT});
  GError* error = nullptr;
  Uri uri(g_uri_parse(text.c_str(), flags, &error));
  if (!uri) {
    const std::string why = without_passwords(error->message);
    g_clear_error(&error);
    trouble("this is no address (" + why +
            "); in a user name or password write / as %2F, : as %3A, ? as %3F, # as %23 and % as %25");
  }
  return uri;
}

/// The address without user and password.
std::string bare(GUri* uri) {
  const Text text(
      g_uri_join(static_cast<GUriFlags>(int{G_URI_FLAGS_ENCODED_PATH} | int{G_URI_FLAGS_ENCODED_QUERY} |
                                        int{G_URI_FLAGS_ENCODED_FRAGMENT}),
                 g_uri_get_scheme(uri), nullptr, g_uri_get_host(uri), g_uri_get_port(uri),
                 g_uri_get_path(uri), g_uri_get_query(uri), g_uri_get_fragment(uri)));
  return text.get();
}

Address rtsp_address(const std::string& text, const Trouble& trouble) {
  need_element("rtspsrc", trouble);
  const Uri uri = parse_uri(text, trouble);
  Address address;
  address.transport = Transport::rtsp;
  address.user = text_or_empty(g_uri_get_user(uri.get()));
  address.password = text_or_empty(g_uri_get_password(uri.get()));
  if (text_or_empty(g_uri_get_host(uri.get())).empty())
    trouble("the host is missing: rtsp://USER:PASSWORD@HOST:PORT/PATH");
  if (address.user.empty() && !address.password.empty()) trouble("there is a password without a user name");
  // A '/' in a password ends the host for whoever reads addresses by the rules.
  if (text_or_empty(g_uri_get_path(uri.get())).find('@') != std::string::npos && address.user.empty() &&
      g_uri_get_port(uri.get()) < 0)
    trouble("there is a @ in the path; in a user name or password write / as %2F");
  address.location = bare(uri.get());
  return address;
}

Address srt_address(const std::string& text, const Trouble& trouble) {
  need_element("srtsrc", trouble);
  const Uri uri = parse_uri(text, trouble);
  if (g_uri_get_port(uri.get()) <= 0) trouble("the port is missing: srt://HOST:PORT");
  const std::string query = text_or_empty(g_uri_get_query(uri.get()));
  if (text_or_empty(g_uri_get_host(uri.get())).empty() && query.find("mode=listener") == std::string::npos)
    trouble("the host is missing: srt://HOST:PORT, or srt://:PORT?mode=listener to be called by the camera");
  Address address;
  address.transport = Transport::srt;
  address.location = text;
  return address;
}

Address other_address(const std::string& scheme, const std::string& text, const Trouble& trouble) {
  if (!gst_uri_protocol_is_supported(GST_URI_SRC, scheme.c_str())) {
    const std::string_view package = package_of_scheme(scheme);
    trouble(package.empty()
                ? "GStreamer has no source for " + scheme +
                      "://; rtsp://, srt://, http:// and "
                      "files are among those that there are"
                : "the source for " + scheme + ":// is missing: apt-get install " + std::string(package));
  }
  Address address;
  address.transport = Transport::uri;
  address.location = text;
  return address;
}

}  // namespace

std::string Address::text() const {
  if (user.empty()) return without_passwords(location);
  const std::size_t host = location.find("://") + 3;
  return location.substr(0, host) + user + (password.empty() ? "" : ":***") + "@" + location.substr(host);
}

Address parse_address(std::string_view given, std::string_view option) {
  const Trouble trouble(option, given);
  const std::string text(given);
  if (text.empty()) trouble("the address is empty");
  const Text known_scheme(g_uri_parse_scheme(text.c_str()));
  std::string scheme = known_scheme ? known_scheme.get() : "";
  // "C:" and "night:1.mp4" are names of files.
  if (text.find("://") != scheme.size() && scheme != "file") scheme.clear();
  for (char& letter : scheme) letter = g_ascii_tolower(letter);

  if (scheme.empty()) return is_device(text) ? device_address(text, trouble) : file_address(text, trouble);
  if (scheme == "v4l2") return device_address(text.substr(std::strlen("v4l2://")), trouble);
  if (scheme == "file") {
    const Text path(g_filename_from_uri(text.c_str(), nullptr, nullptr));
    if (!path) trouble("this is no address of a file; it is written file:///FOLDER/NAME");
    return file_address(path.get(), trouble);
  }
  if (scheme.starts_with("rtsp")) return rtsp_address(text, trouble);
  if (scheme == "srt") return srt_address(text, trouble);
  return other_address(scheme, text, trouble);
}

}  // namespace digfusion::pipelines
