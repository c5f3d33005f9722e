// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/address.h"

#include <gmock/gmock.h>

#include <fstream>

#include "pipelines/common/failure.h"
#include "tests/programs/common/bench.h"

namespace digfusion::pipelines {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class AddressTest : public test::GstTest {
 protected:
  static std::string problem(const std::string& text) {
    try {
      parse_address(text, "--visible");
    } catch (const UsageFailure& failure) {
      return failure.what();
    }
    return "none";
  }
};

TEST_F(AddressTest, CredentialsAreTakenOutAndDecoded) {
  struct {
    const char *text, *location, *user, *password, *shown;
  } const rows[] = {
      {"rtsp://host/a", "rtsp://host/a", "", "", "rtsp://host/a"},
      {"rtsp://eve@host/a", "rtsp://host/a", "eve", "", "rtsp://eve@host/a"},
      {"rtsp://eve:pw@host:8554/a?b=c&d", "rtsp://host:8554/a?b=c&d", "eve", "pw",
       "rtsp://eve:***@host:8554/a?b=c&d"},
      {"rtsp://eve:p%40s%2Fs%3A@host/a", "rtsp://host/a", "eve", "p@s/s:", "rtsp://eve:***@host/a"},
      {"rtsp://eve:p@ss@host/a", "rtsp://host/a", "eve", "p@ss", "rtsp://eve:***@host/a"},
      {"rtsp://eve:p:w@host/a", "rtsp://host/a", "eve", "p:w", "rtsp://eve:***@host/a"},
      {"rtsp://eve:100%@host/a", "rtsp://host/a", "eve", "100%", "rtsp://eve:***@host/a"},
      {"rtsps://eve:pw@[fe80::1]:322/a", "rtsps://[fe80::1]:322/a", "eve", "pw",
       "rtsps://eve:***@[fe80::1]:322/a"},
      {"rtsp://host/path%20with/cam@1", "rtsp://host/path%20with/cam@1", "", "", ""},
      {"rtsp://host:554/cam@1", "rtsp://host:554/cam@1", "", "", "rtsp://host:554/cam@1"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    if (*row.shown == '\0') {
      // May be a password with a slash: refused, and not shown.
      EXPECT_THAT(problem(row.text), HasSubstr("%2F"));
      continue;
    }
    const Address address = parse_address(row.text, "--visible");
    EXPECT_EQ(address.transport, Transport::rtsp);
    EXPECT_EQ(address.location, row.location);
    EXPECT_EQ(address.user, row.user);
    EXPECT_EQ(address.password, row.password);
    EXPECT_EQ(address.text(), row.shown);
    EXPECT_TRUE(address.is_live());
  }
}

TEST_F(AddressTest, SrtKeepsItsParametersAndHidesThePassphrase) {
  const Address address = parse_address("srt://host:7001?mode=caller&passphrase=secret1234", "--visible");
  EXPECT_EQ(address.transport, Transport::srt);
  EXPECT_EQ(address.location, "srt://host:7001?mode=caller&passphrase=secret1234");
  EXPECT_EQ(address.text(), "srt://host:7001?mode=caller&passphrase=***");
  EXPECT_EQ(parse_address("srt://:7001?mode=listener", "--visible").transport, Transport::srt);
}

TEST_F(AddressTest, FilesAreFoundHoweverTheyAreWritten) {
  const test::TemporaryFolder folder;
  const std::string name = folder.at("night 1:2.mkv");
  std::ofstream(name) << "x";
  for (const std::string& text : {name, "file://" + folder.at("night%201:2.mkv")}) {
    const Address address = parse_address(text, "--visible");
    EXPECT_EQ(address.transport, Transport::file);
    EXPECT_EQ(address.location, name);
    EXPECT_FALSE(address.is_live());
  }
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path);
  EXPECT_EQ(parse_address("night 1:2.mkv", "--visible").location, name);
  std::filesystem::current_path(before);
}

TEST_F(AddressTest, ErrorsSayWhatIsWrongAndWhatToDo) {
  const struct {
    const char *text, *part;
  } rows[] = {
      {"", "empty"},
      {"nosuch.mp4", "there is no such file"},
      {"192.168.1.9/stream", "begins with rtsp://"},
      {"camera.example:554/stream", "begins with rtsp://"},
      {"/", "this is a folder"},
      {"/dev/video9999", "no such device; "},
      {"v4l2:///dev/video9999", "no such device; "},
      {"file:///no/such/file.mp4", "no such file"},
      {"file://relative.mp4", "file:///"},
      {"rtsp://", "host is missing"},
      {"rtsp:///path", "host is missing"},
      {"rtsp://:pw@host/", "without a user name"},
      {"rtsp://host:notaport/", "no address"},
      {"srt://host", "port is missing"},
      {"srt://:7001", "mode=listener"},
      {"gopher://host/", "no source for gopher://"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    EXPECT_THAT(problem(row.text), AllOf(HasSubstr("--visible: "), HasSubstr(row.part)));
  }
}

TEST_F(AddressTest, ErrorsNeverShowAPassword) {
  for (const char* text :
       {"rtsp://eve:geheim@host:notaport/", "rtsp://eve:ge/heim@host/", "rtsp://:geheim@host/",
        "srt://host?passphrase=geheim", "gopher://eve:geheim@host/"}) {
    SCOPED_TRACE(text);
    EXPECT_THAT(problem(text), AllOf(Not(HasSubstr("heim")), Not("none")));
  }
}

}  // namespace
}  // namespace digfusion::pipelines
