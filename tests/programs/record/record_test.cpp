// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digfusion-record as its user starts it: kills, power cuts, full disks, cameras that come and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipelines/record/segment_name.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/programs/child.h"
#include "tests/programs/record/decode.h"

namespace digfusion::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::MatchesRegex;
namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool succeeds(const Words& command) {
  try {
    return Child(command).wait() == 0;
  } catch (const std::runtime_error&) {
    return false;
  }
}

/// The complete lines of --journal.
std::vector<Json> events(const std::string& out) {
  std::vector<Json> lines;
  std::istringstream text(out);
  for (std::string line; std::getline(text, line) && !text.eof();) lines.push_back(Json::parse(line));
  return lines;
}

/// When the first picture of a segment was taken, in seconds since 1970.
double begin_of(const std::vector<Json>& events, const fs::path& file) {
  for (const Json& event : events)
    if (event["event"] == "opened" &&
        fs::path(event["file"].get<std::string>()).filename() == file.filename()) {
      const std::string time = event["time"];
      const auto second = pipelines::parse_segment_name(
          "x", "x-" + time.substr(0, 13) + "-" + time.substr(14, 2) + "-" + time.substr(17, 2) + "Z.mp4");
      return second ? static_cast<double>(second->time_since_epoch().count()) + std::stod(time.substr(19, 4))
                    : NAN;
    }
  return NAN;
}

class RecordTest : public testing::Test {
 protected:
  RecordTest() { fs::create_directory(output); }
  Words command(const Words& more) const {
    return Words{program, "--output", output, "--keep-free", "0"} + more;
  }
  /// A small generated scene, as a camera would deliver it.
  static Words scene() { return {"--test", "--size", "160x120"}; }
  std::vector<fs::path> files() const { return files_in(output); }

  const std::string program = DIGFUSION_RECORD;
  TemporaryFolder folder;
  const fs::path output = folder.path / "out";
};

void expect_same_pictures(const std::vector<DecodedTrack>& tracks, std::size_t but) {
  for (const DecodedTrack& track : tracks) {
    EXPECT_LE(track.times.size(), tracks[0].times.size());
    EXPECT_GE(track.times.size() + but, tracks[0].times.size());
  }
}

/// What is left after a kill or a power cut: every segment plays, without a gap inside or between, and the
/// last picture isn't much older than the end. Returns by how much.
double expect_whole_up_to(double end, const std::vector<fs::path>& files, const std::string& out) {
  const std::vector<Json> lines = events(out);
  double last = 0;
  for (const fs::path& file : files) {
    // One that had just begun.
    if (file == files.back() && fs::file_size(file) == 0) continue;
    const auto tracks = decode(file);
    EXPECT_EQ(tracks.size(), 3u) << file;
    if (tracks.empty()) continue;
    expect_same_pictures(tracks, file == files.back() ? 2 : 0);
    EXPECT_FALSE(tracks[0].times.empty()) << file;
    if (tracks[0].times.empty()) continue;
    // A busy machine may leave pictures out.
    EXPECT_LT(tracks[0].longest_gap(), GST_SECOND / 2) << file;
    const double begin = begin_of(lines, file);
    EXPECT_FALSE(std::isnan(begin)) << file;
    if (last > 0) {
      EXPECT_LT(begin - last, 0.5) << "between the segments before " << file;
    }
    last = begin + static_cast<double>(tracks[0].times.back()) / GST_SECOND;
  }
  return end - last;
}

// ---- kills and power cuts

class CutTest : public RecordTest, public testing::WithParamInterface<const char*> {
 protected:
  Words cut_command() const {
    return command(scene() + Words{"--with-sources", "--segment-duration", "1s", "--journal", "--container",
                                   GetParam()});
  }
  /// Until there are three segments, and then some.
  static void await_segments(const Child& child, std::chrono::milliseconds then) {
    for (int i = 0; i < 600 && events(child.out()).size() < 5; ++i) std::this_thread::sleep_for(100ms);
    std::this_thread::sleep_for(then);
  }
};
INSTANTIATE_TEST_SUITE_P(Both, CutTest, testing::Values("mp4", "matroska"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(CutTest, AKillCostsAtMostTheLastSecond) {
  // A machine that is busy with other things may be late; one in three must not be.
  double lost = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    for (const fs::path& file : files()) fs::remove(file);
    Child child(cut_command());
    await_segments(child, 700ms);
    const double end = now();
    child.signal(SIGKILL);
    ASSERT_EQ(child.wait(), 128 + SIGKILL);
    ASSERT_GE(files().size(), 3u) << child.err();
    lost = expect_whole_up_to(end, files(), child.out());
    if (lost <= 1) break;
  }
  EXPECT_LE(lost, 1);
  RecordProperty("lost_milliseconds", static_cast<int>(lost * 1000));
}

// A file system whose journal stops at once and forgets what was not on the disk, as ext4 can for its own
// tests.
TEST_P(CutTest, APowerCutCostsAtMostTheLastSecond) {
  const fs::path disk = folder.path / "disk", copy = folder.path / "copy";
  fs::create_directory(copy);
  // $0 folder, $1… command. All mounts are in a name space of their own.
  const std::string line = R"(
      set -e
      trap 'umount "$0/out" 2>/dev/null || true' EXIT
      mount -o loop "$0/disk" "$0/out"
      echo mounted >&2
      "$@" &
      recorder=$!
      while [ ! -e "$0/cut" ]; do sleep .02; done
      perl -e 'open(F, "<", $ARGV[0]) or die; $how = pack("L", 2); ioctl(F, 0x8004587d, $how) or die "$!\n"' "$0/out"
      date +%s.%N >"$0/time"
      kill -KILL $recorder || true
      wait $recorder || true
      umount "$0/out"
      mount -o loop "$0/disk" "$0/out"
      cp "$0/out"/*Z*.m* "$0/copy")";
  double lost = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    for (const char* name : {"cut", "time"}) fs::remove(folder.path / name);
    for (const fs::path& file : files_in(copy)) fs::remove(file);
    if (!succeeds({"sh", "-c", "rm -f \"$0\" && truncate -s 32M \"$0\" && mkfs.ext4 -q -F \"$0\"", disk}))
      GTEST_SKIP() << "mkfs.ext4 isn't there";
    Child child(Words{"unshare", "-m", "sh", "-c", line, folder.path} + cut_command());
    if (!child.err_has("mounted")) GTEST_SKIP() << "may not mount: " << child.err();
    await_segments(child, 700ms);
    fclose(fopen((folder.path / "cut").c_str(), "w"));
    if (child.wait() != 0 && child.err().find("ioctl") != std::string::npos) GTEST_SKIP() << child.err();
    ASSERT_EQ(child.wait(), 0) << child.err();
    ASSERT_GE(files_in(copy).size(), 3u) << child.err();
    lost = expect_whole_up_to(std::stod(read_text(folder.path / "time")), files_in(copy), child.out());
    if (lost <= 1) break;
  }
  EXPECT_LE(lost, 1);
  RecordProperty("lost_milliseconds", static_cast<int>(lost * 1000));
}

// ---- the end

TEST_F(RecordTest, ASignalCompletesTheLastSegment) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Child child(command(scene() + Words{"--journal"}));
    ASSERT_TRUE(child.out_has("opened")) << child.err();
    std::this_thread::sleep_for(500ms);
    child.signal(signal);
    EXPECT_EQ(child.wait(), 0) << child.err();
    const auto lines = events(child.out());
    ASSERT_EQ(lines.back()["event"], "closed") << child.out();
    const fs::path file = lines.back()["file"].get<std::string>();
    EXPECT_EQ(lines.back()["bytes"], fs::file_size(file));
    const auto tracks = decode(file);
    ASSERT_EQ(tracks.size(), 1u);
    EXPECT_NEAR(static_cast<double>(tracks[0].times.back()) / GST_SECOND,
                lines.back()["seconds"].get<double>(), 0.1);
  }
}

TEST_F(RecordTest, EndsAfterSoManyPicturesAndNamesFilesByTheWallClock) {
  const double before = now();
  Child child(command(scene() + Words{"--frames", "30", "--name", "front gate"}));
  EXPECT_EQ(child.wait(), 0) << child.err();
  ASSERT_EQ(files().size(), 1u);
  EXPECT_EQ(decode(files()[0]).at(0).times.size(), 30u);
  const auto begin = pipelines::parse_segment_name("front gate", files()[0].filename().string());
  ASSERT_TRUE(begin) << files()[0];
  const auto seconds = static_cast<double>(begin->time_since_epoch().count());
  EXPECT_GE(seconds, std::floor(before) - 1);
  EXPECT_LE(seconds, now());
  EXPECT_THAT(child.err(), HasSubstr(files()[0].filename().string() + "  0:01  ")) << "duration and size";
  EXPECT_EQ(child.out(), "");
}

TEST_F(RecordTest, OfFilesNothingIsLost) {
  ASSERT_TRUE(succeeds({"gst-launch-1.0",
                        "-q",
                        "digtestsrc",
                        "num-buffers=60",
                        "name=s",
                        "s.visible",
                        "!",
                        "video/x-raw,width=160,height=120",
                        "!",
                        "videoconvert",
                        "!",
                        "jpegenc",
                        "!",
                        "matroskamux",
                        "!",
                        "filesink",
                        "location=" + (folder.path / "v.mkv").string(),
                        "s.infrared",
                        "!",
                        "videoconvert",
                        "!",
                        "jpegenc",
                        "!",
                        "matroskamux",
                        "!",
                        "filesink",
                        "location=" + (folder.path / "i.mkv").string()}));
  Child child(
      command({folder.path / "v.mkv", folder.path / "i.mkv", "--with-sources", "--segment-duration", "1s"}));
  EXPECT_EQ(child.wait(), 0) << child.err();
  std::size_t pictures = 0;
  for (const fs::path& file : files()) {
    const auto tracks = decode(file);
    ASSERT_EQ(tracks.size(), 3u);
    expect_same_pictures(tracks, 0);
    pictures += tracks[0].times.size();
  }
  EXPECT_EQ(pictures, 60u);
  EXPECT_GE(files().size(), 2u);
}

TEST_F(RecordTest, ThePagesLineForGstLaunchRecordsTheSame) {
  std::istringstream page(read_text(DIGFUSION_RECORD_PAGE));
  std::string line;
  while (std::getline(page, line) && !line.starts_with("    gst-launch-1.0 -e digtestsrc")) {
  }
  const auto replace = [&line](const std::string& from, const std::string& to) {
    const auto place = line.find(from);
    ASSERT_NE(place, std::string::npos) << from << " isn't in: " << line;
    line.replace(place, from.size(), to);
  };
  // Live as in the page: gst-launch-1.0 1.22 can miss the end of a stream that prerolls.
  replace("is-live=true", "is-live=true num-buffers=30");
  replace("location=", "location=" + output.string() + "/");
  // All pictures, however slow the machine is.
  replace("digfusion name=f", "digfusion name=f qos=false");
  for (int i = 0; i < 2; ++i) replace(" queue max-size-buffers=2 leaky=downstream", " queue");
  Child child({"sh", "-c", line});
  EXPECT_EQ(child.wait(), 0) << child.err();
  ASSERT_EQ(files().size(), 1u);
  EXPECT_EQ(decode(files()[0]).at(0).times.size(), 30u);
}

// ---- full disks

class FullDiskTest : public RecordTest {
 protected:
  /// Runs on a disk of 1 MB, in a name space of its own; the segments come out to `copy`.
  Words on_a_small_disk(const Words& command) {
    copy = folder.path / "copy";
    fs::create_directory(copy);
    const std::string line = R"(
        mount -t tmpfs -o size=1M none "$0/out" || exit 77
        "$@" &
        trap "kill -TERM $!" TERM
        wait $!
        code=$?
        [ $code -lt 128 ] || { wait $!; code=$?; }
        cp "$0/out"/* "$0/copy"
        exit $code)";
    return Words{"unshare", "-rm", "sh", "-c", line, folder.path} + command;
  }
  void skip_if_not_permitted(const std::optional<int>& code, const Child& child) {
    if (code == 77 || child.err().find("unshare") != std::string::npos)
      GTEST_SKIP() << "may not mount: " << child.err();
  }
  /// Noise costs something.
  static Words large_scene() { return {"--test", "night", "--size", "640x480", "--quality", "2"}; }
  fs::path copy;
};

TEST_F(FullDiskTest, EndsTheRecordingWithAnError) {
  Child child(on_a_small_disk(command(large_scene() + Words{"--segment-duration", "1s", "--journal"})));
  const auto code = child.wait();
  skip_if_not_permitted(code, child);
  EXPECT_EQ(code, 1) << child.err();
  EXPECT_THAT(child.err(), HasSubstr("recording stopped: "));
  EXPECT_THAT(child.err(),
              testing::AnyOf(HasSubstr("the disk is full"), HasSubstr("No space left on device")));
  EXPECT_EQ(events(child.out()).back()["event"], "stopped");
  // What had been written still plays.
  std::size_t pictures = 0;
  for (const fs::path& file : files_in(copy))
    if (fs::file_size(file) > 10'000) pictures += decode(file).at(0).times.size();
  EXPECT_GT(pictures, 0u);
}

TEST_F(FullDiskTest, LeavesTheViewingAlone) {
  const fs::path viewed = folder.path / "viewed";
  Child child(on_a_small_disk(
      command(large_scene() + Words{"--sink", "jpegenc ! filesink location=" + viewed.string()})));
  if (!child.err_has("recording stopped")) skip_if_not_permitted(child.wait(), child);
  if (IsSkipped()) return;
  const auto size = fs::file_size(viewed);
  for (int i = 0; i < 300 && fs::file_size(viewed) < size + 500'000; ++i) std::this_thread::sleep_for(100ms);
  EXPECT_GE(fs::file_size(viewed), size + 500'000) << "nothing is shown any more";
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 1) << child.err();
}

TEST_F(FullDiskTest, KeepsSpaceFreeByDeletingTheOldest) {
  Child child(on_a_small_disk(Words{program, "--output", output, "--keep-free", "400k", "--segment-duration",
                                    "1s", "--journal", "--frames", "125"} +
                              Words{"--test", "night", "--size", "320x240", "--bitrate", "2000"}));
  const auto code = child.wait();
  skip_if_not_permitted(code, child);
  if (IsSkipped()) return;
  EXPECT_EQ(code, 0) << child.err();
  EXPECT_THAT(child.out(), HasSubstr(R"("event":"deleted")"));
  EXPECT_THAT(child.out(), HasSubstr(R"("reason":"space")"));
  // The last ones are there, and only they.
  std::string last_closed;
  for (const Json& event : events(child.out()))
    if (event["event"] == "closed") last_closed = event["file"];
  EXPECT_TRUE(fs::exists(copy / fs::path(last_closed).filename()));
}

TEST_F(FullDiskTest, StopsBeforeTheDiskIsFullWhenDeletingIsNotEnough) {
  Child child(on_a_small_disk(
      Words{program, "--output", output, "--keep-free", "300k", "--segment-duration", "1h"} + large_scene()));
  const auto code = child.wait();
  skip_if_not_permitted(code, child);
  if (IsSkipped()) return;
  EXPECT_EQ(code, 1);
  EXPECT_THAT(child.err(),
              testing::AnyOf(HasSubstr("--keep-free wants 300 kB"), HasSubstr("the disk is full")));
}

// ---- what is wrong from the start

class ErrorTest : public RecordTest {
 protected:
  void expect_failure(const Words& command, int code, const std::string& part) {
    Child child(command);
    EXPECT_EQ(child.wait(), code) << child.err();
    EXPECT_THAT(child.err(), HasSubstr("digfusion-record: "));
    EXPECT_THAT(child.err(), HasSubstr(part));
  }
};

TEST_F(ErrorTest, SaysWhatIsWrongWithTheFolder) {
  const fs::path file = folder.path / "file";
  fclose(fopen(file.c_str(), "w"));
  expect_failure(Words{program, "--output", folder.path / "gone"} + scene(), 1, "isn't there");
  expect_failure(Words{program, "--output", file} + scene(), 1, "is a file");
  expect_failure(Words{program} + scene(), 2, "--output");
  if (geteuid() != 0) {
    fs::permissions(output, fs::perms::owner_read | fs::perms::owner_exec);
    expect_failure(command(scene()), 1, "Permission denied");
    fs::permissions(output, fs::perms::owner_all);
  }
  expect_failure(Words{program, "--output", "/proc/self"} + scene(), 1, "can't write to the folder");
}

TEST_F(ErrorTest, SaysThatTheDiskIsReadOnly) {
  Child child(Words{"unshare", "-rm", "sh", "-c", "mount -t tmpfs -o ro none \"$0\" || exit 77; exec \"$@\"",
                    output} +
              command(scene()));
  const auto code = child.wait();
  if (code == 77 || child.err().find("unshare") != std::string::npos) GTEST_SKIP() << "may not mount";
  EXPECT_EQ(code, 1);
  EXPECT_THAT(child.err(), HasSubstr("Read-only file system"));
}

TEST_F(ErrorTest, SaysWhatIsWrongWithTheOptions) {
  expect_failure(command(scene() + Words{"--name", "a/b"}), 2, "--name");
  expect_failure(command(scene() + Words{"--bitrate", "900", "--quality", "20"}), 2, "don't go together");
  expect_failure(command(scene() + Words{"--container", "avi"}), 2, "--container");
  expect_failure(command(scene() + Words{"--segment-duration", "ten"}), 2, "--segment-duration");
  expect_failure(command(scene() + Words{"--segment-size", "5 furlongs"}), 2, "--segment-size");
  expect_failure(command(scene() + Words{"--encoder", "nosuchenc"}), 1, "nosuchenc isn't there");
  expect_failure(Words{program, "--output", output, "--keep-free", "900000T"} + scene(), 1,
                 "--keep-free wants");
  expect_failure(command({}), 2, "--test");
  EXPECT_TRUE(files().empty()) << "nothing is left behind";
}

// ---- cameras

class CameraTest : public RecordTest {
 protected:
  static std::unique_ptr<Child> start_server(std::string& port) {
    auto server =
        std::make_unique<Child>(Words{environment("DIGFUSION_RTSP_SERVER"), "--user", "viewer", "--password",
                                      "se cret", "--port", port.empty() ? "0" : port});
    EXPECT_TRUE(server->out_has("port ")) << server->err();
    EXPECT_TRUE(server->out_has("\n"));
    if (const std::string out = server->out(); out.starts_with("port "))
      port = out.substr(5, out.find('\n') - 5);
    return server;
  }
};

TEST_F(CameraTest, RecordsThroughTheDeathAndReturnOfItsCameras) {
  std::string port;
  auto server = start_server(port);
  ASSERT_FALSE(port.empty());
  const std::string host = "rtsp://viewer:se%20cret@127.0.0.1:" + port;
  Child child(command({host + "/visible", host + "/infrared", "--with-sources", "--segment-duration", "2s",
                       "--journal", "--timeout", "2", "--rtsp-transport", "tcp"}));
  ASSERT_TRUE(child.out_has("closed")) << child.err();
  server.reset();  // killed
  std::this_thread::sleep_for(1s);
  const std::size_t before = child.out().size();
  server = start_server(port);
  const auto closed_after = [&] { return child.out().find("closed", before) != std::string::npos; };
  for (int i = 0; i < 600 && !closed_after(); ++i) std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(closed_after()) << child.err();
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0) << child.err();
  EXPECT_GE(files().size(), 2u);
  for (const fs::path& file : files()) {
    const auto tracks = decode(file);
    ASSERT_EQ(tracks.size(), 3u) << file;
    EXPECT_GT(tracks[0].times.size(), 0u) << file;
    expect_same_pictures(tracks, 0);
  }
  EXPECT_EQ(child.err().find("se cret"), std::string::npos);
  EXPECT_EQ(child.err().find("se%20cret"), std::string::npos);
}

TEST_F(CameraTest, DoesNotStartWithAWrongPassword) {
  std::string port;
  const auto server = start_server(port);
  const std::string host = "rtsp://viewer:wrong@127.0.0.1:" + port;
  Child child(command({host + "/visible", host + "/infrared"}));
  EXPECT_EQ(child.wait(), 1);
  EXPECT_THAT(child.err(), HasSubstr("user name or password"));
  EXPECT_EQ(child.err().find("wrong"), std::string::npos) << child.err();
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace digfusion::test
