// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Lines of JSON and their way to a file or a pipe; the figures of a report.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipelines/analyse/line_sink.h"
#include "pipelines/analyse/lines.h"
#include "pipelines/analyse/mqtt.h"
#include "pipelines/analyse/statistics.h"
#include "pipelines/common/failure.h"
#include "tests/core/metrics/temporary_folder.h"

namespace digfusion::pipelines {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

// ---- lines

TEST(JsonLine, SaysWhatTheRegionsSay) {
  Findings findings;
  findings.objects.push_back(
      {{.type = "person", .label = 0, .confidence = .87654, .box = {1, 2, 3, 4}, .id = 7}, .04});
  findings.motion.push_back({.box = {5, 6, 7, 8}, .cells = 9, .age = .1201});
  const std::string line = json_line({.time = std::chrono::system_clock::time_point(1763728568123ms),
                                      .running_time = 1.23456,
                                      .frame = 31,
                                      .size = {640, 480},
                                      .fused = false},
                                     findings);
  EXPECT_EQ(
      line,
      R"({"time":"2025-11-21T12:36:08.123Z","running_time":1.235,"frame":31,"size":[640,480],"fused":false,)"
      R"("objects":[{"type":"person","id":7,"box":[1,2,3,4],"confidence":0.877,"age":0.04}],)"
      R"("motion":[{"box":[5,6,7,8],"cells":9,"age":0.12}]})");
}

TEST(JsonLine, ListsAreThereWhenEmptyAndNamesAreMended) {
  const auto empty = nlohmann::json::parse(json_line({}, {}));
  EXPECT_TRUE(empty["objects"].is_array() && empty["objects"].empty());
  EXPECT_TRUE(empty["motion"].is_array() && empty["motion"].empty());
  Findings findings;
  findings.objects.push_back({{.type = "caf\xe9 \"x\"\n", .box = {0, 0, 1, 1}}, 0});
  const std::string line = json_line({}, findings);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_THAT(nlohmann::json::parse(line)["objects"][0]["type"].get<std::string>(), HasSubstr("\"x\""));
}

// ---- where they go

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(FileSink, AppendsEveryLineBeforeItGoes) {
  const TemporaryFolder folder;
  const std::string path = folder.path / "lines.json";
  for (int run = 0; run < 2; ++run) {
    FileSink sink(path, Full::wait, [](const std::string& why) { ADD_FAILURE() << why; });
    for (int i = 0; i < 3000; ++i) sink.write("line " + std::to_string(i));
  }
  const auto lines = lines_of(read_text(path));
  ASSERT_EQ(lines.size(), 6000u);
  EXPECT_EQ(lines[2999], "line 2999");
  EXPECT_EQ(lines[3000], "line 0");
}

TEST(FileSink, SaysWhyItCannotBeOpened) {
  try {
    FileSink("/nowhere/lines.json", Full::wait, {});
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("/nowhere/lines.json"));
    EXPECT_THAT(failure.what(), HasSubstr("No such file"));
  }
}

TEST(FileSink, FullDiskIsToldOnce) {
  std::promise<std::string> told;
  FileSink sink("/dev/full", Full::wait, [&told](const std::string& why) { told.set_value(why); });
  for (int i = 0; i < 2000; ++i) sink.write("line");  // doesn't wait for ever
  EXPECT_THAT(told.get_future().get(), HasSubstr("No space left"));
}

/// A pipe by a name that a FileSink opens.
class NamedPipe {
 public:
  explicit NamedPipe(const std::filesystem::path& folder) : path(folder / "pipe") {
    if (mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("no pipe can be made");
    reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  }
  ~NamedPipe() { close_reader(); }
  void close_reader() {
    if (reader >= 0) ::close(std::exchange(reader, -1));
  }

  const std::string path;
  int reader = -1;
};

TEST(FileSink, ReaderWhoGoesEndsItWithoutAComplaint) {
  const TemporaryFolder folder;
  NamedPipe pipe(folder.path);
  std::promise<std::string> told;
  FileSink sink(pipe.path, Full::wait, [&told](const std::string& why) { told.set_value(why); });
  pipe.close_reader();
  ::signal(SIGPIPE, SIG_IGN);  // as the programs do
  sink.write("line");
  EXPECT_EQ(told.get_future().get(), "");
}

TEST(FileSink, ReaderWhoStopsHoldsUpNobody) {
  const TemporaryFolder folder;
  const NamedPipe pipe(folder.path);
  FileSink sink(pipe.path, Full::drop_oldest, {});
  const std::string line(1000, 'x');
  for (int i = 0; i < 3000; ++i) sink.write(line);  // more than a pipe and the queue hold
  // Its end doesn't wait for him either: the test's time limit is the check.
}

TEST(LineQueue, DropsTheOldestAndCounts) {
  LineQueue queue(Full::drop_oldest);
  for (std::size_t i = 0; i < LineQueue::capacity + 5; ++i) queue.push(std::to_string(i));
  std::string line;
  ASSERT_TRUE(queue.pop(line, 0ms));
  EXPECT_EQ(line, "5");
  EXPECT_EQ(queue.take_dropped(), 5u);
  EXPECT_EQ(queue.take_dropped(), 0u);
}

TEST(LineQueue, CloseFreesWhoWaits) {
  LineQueue queue(Full::wait);
  for (std::size_t i = 0; i < LineQueue::capacity; ++i) queue.push("line");
  auto waiting = std::async(std::launch::async, [&] { queue.push("one more"); });
  EXPECT_EQ(waiting.wait_for(50ms), std::future_status::timeout);
  queue.close();
  waiting.get();
  EXPECT_FALSE(queue.is_over());
  std::string line;
  while (queue.pop(line, 0ms)) EXPECT_EQ(line, "line");
  EXPECT_TRUE(queue.is_over());
}

// ---- addresses of brokers

TEST(MqttAddress, IsReadWithAndWithoutItsParts) {
  const MqttAddress full = parse_mqtt("mqtts://me:p%40ss%2F@broker.example:8884/a/b%20c");
  EXPECT_TRUE(full.tls);
  EXPECT_EQ(full.host, "broker.example");
  EXPECT_EQ(full.port, 8884);
  EXPECT_EQ(full.user, "me");
  EXPECT_EQ(full.password, "p@ss/");
  EXPECT_EQ(full.topic, "a/b c");
  EXPECT_EQ(full.text().find("p@ss"), std::string::npos);
  EXPECT_EQ(parse_mqtt("mqtt://[::1]/t").host, "::1");
  EXPECT_EQ(parse_mqtt("mqtt://h/t").port, 1883);
  EXPECT_EQ(parse_mqtt("mqtts://h/t").port, 8883);
}

TEST(MqttAddress, WrongOnesSayWhatIsWrongWithoutThePassword) {
  const std::pair<const char*, const char*> wrong[] = {{"mqtt://u:secret@h", "topic is missing"},
                                                       {"mqtt://u:secret@h/a/#", "no #"},
                                                       {"http://u:secret@h/t", "not an MQTT address"},
                                                       {"mqtt:///t", "host is missing"},
                                                       {"h/t", "not an address"}};
  for (const auto& [address, why] : wrong) {
    try {
      parse_mqtt(address);
      FAIL() << address;
    } catch (const UsageFailure& failure) {
      EXPECT_THAT(failure.what(), HasSubstr(why));
      EXPECT_THAT(failure.what(), testing::Not(HasSubstr("secret")));
    }
  }
}

// ---- the report's figures

Detection at(int x, double confidence = .5) { return {.confidence = confidence, .box = {x, 0, 10, 10}}; }

TEST(Statistics, MatchEachBoxAtMostOnce) {
  EXPECT_EQ(matches({at(0), at(1)}, {at(0)}), 1);
  EXPECT_EQ(matches({at(0), at(50)}, {at(51), at(1)}), 2);
  EXPECT_EQ(matches({at(0)}, {at(6)}), 0);  // they share a quarter of both
}

TEST(Statistics, AreThoseCountedByHand) {
  // Two moments: visible finds nobody, then one; infrared and fused one and two.
  std::vector<Moment> moments(2);
  moments[0].people = {std::vector<Detection>{}, {at(0, .6)}, {at(1, .8)}};
  moments[1].people = {std::vector<Detection>{at(0, .9)}, {at(50)}, {at(0, .7), at(51, .9)}};
  const auto summaries = summarise(moments);
  EXPECT_DOUBLE_EQ(summaries[0].mean, .5);
  EXPECT_DOUBLE_EQ(summaries[0].some, .5);
  EXPECT_DOUBLE_EQ(summaries[0].confidence, .9);
  EXPECT_DOUBLE_EQ(summaries[2].mean, 1.5);
  EXPECT_DOUBLE_EQ(summaries[2].some, 1);
  EXPECT_DOUBLE_EQ(summaries[2].confidence, .8);
  EXPECT_DOUBLE_EQ(summaries[0].agreement[2], 2. * 1 / (1 + 3));
  EXPECT_DOUBLE_EQ(summaries[1].agreement[2], 2. * 2 / (2 + 3));
  EXPECT_DOUBLE_EQ(summaries[0].agreement[1], 0);
  EXPECT_DOUBLE_EQ(summaries[2].agreement[2], 1);
}

TEST(Statistics, CurvesAreMeansOfASecond) {
  std::vector<Moment> moments(4);
  const double times[] = {0, .4, .8, 1.6};
  for (int i = 0; i < 4; ++i) {
    moments[i].time = times[i];
    moments[i].people[2].resize(i);
  }
  EXPECT_THAT(people_over_time(moments, 2), ElementsAre(.5, 1, 1.5, 3));
}

}  // namespace
}  // namespace digfusion::pipelines
