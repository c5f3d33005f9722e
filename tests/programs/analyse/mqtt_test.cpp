// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Lines to a real broker, mosquitto, on a free port of this machine.
#include <arpa/inet.h>
#include <glib.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "pipelines/analyse/mqtt.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/programs/child.h"

namespace digfusion::pipelines {
namespace {

using test::Child;
using testing::HasSubstr;

constexpr auto long_enough = std::chrono::seconds(60);

/// The path of a program, as the shell would find it or in /usr/sbin; empty where it isn't installed.
std::string program_path(const char* name) {
  gchar* found = g_find_program_in_path(name);
  std::string path = found ? found : "";
  g_free(found);
  const std::string system = std::string("/usr/sbin/") + name;
  return path.empty() && access(system.c_str(), X_OK) == 0 ? system : path;
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), length);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(socket);
  return ntohs(address.sin_port);
}

bool is_open(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool open = ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return open;
}

/// Listens on 127.0.0.1 and keeps undelivered messages over a restart.
class Broker {
 public:
  /// `more`: further lines of its configuration.
  explicit Broker(const std::filesystem::path& folder, const std::string& more = "allow_anonymous true\n")
      : port(free_port()), settings_(folder / "mosquitto.conf") {
    std::ofstream(settings_) << "listener " << port << " 127.0.0.1\nuser " << g_get_user_name()
                             << "\npersistence true\npersistence_location " << folder.string() << "/\n"
                             << more;
  }
  void start() {
    child_ = std::make_unique<Child>(
        std::vector{program_path("mosquitto"), std::string("-c"), settings_.string()});
    for (int i = 0; i < 600 && !is_open(port); ++i) g_usleep(100'000);
    ASSERT_TRUE(is_open(port)) << child_->err();
  }
  void stop() {
    child_->signal(SIGTERM);
    ASSERT_EQ(child_->wait(), 0);
  }
  std::string address(const std::string& user = {}) const {
    return "mqtt://" + user + "127.0.0.1:" + std::to_string(port) + "/site/gate";
  }

  const int port;

 private:
  const std::filesystem::path settings_;
  std::unique_ptr<Child> child_;
};

/// Collects what is published, whatever happens to the broker meanwhile.
class Subscriber {
 public:
  explicit Subscriber(const Broker& broker) : client_(mosquitto_new("subscriber", false, this)) {
    mosquitto_connect_callback_set(
        client_, [](mosquitto* client, void*, int) { mosquitto_subscribe(client, nullptr, "site/#", 1); });
    mosquitto_subscribe_callback_set(client_, [](mosquitto*, void* self, int, int, const int*) {
      static_cast<Subscriber*>(self)->change([](Subscriber& s) { s.subscribed_ = true; });
    });
    mosquitto_message_callback_set(client_, [](mosquitto*, void* self, const mosquitto_message* message) {
      static_cast<Subscriber*>(self)->change([&](Subscriber& s) {
        // "At least once": what wasn't acknowledged before a restart comes again.
        const std::string line(static_cast<const char*>(message->payload), message->payloadlen);
        if (std::find(s.lines_.begin(), s.lines_.end(), line) == s.lines_.end()) s.lines_.push_back(line);
      });
    });
    mosquitto_connect_async(client_, "127.0.0.1", broker.port, 30);
    mosquitto_loop_start(client_);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, long_enough, [this] { return subscribed_; });
  }
  ~Subscriber() {
    mosquitto_disconnect(client_);
    mosquitto_loop_stop(client_, false);
    mosquitto_destroy(client_);
  }
  /// Once there are so many, or the time is over.
  std::vector<std::string> lines(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, long_enough, [&] { return lines_.size() >= count; });
    return lines_;
  }

 private:
  template <class Function>
  void change(Function function) {
    const std::lock_guard lock(mutex_);
    function(*this);
    changed_.notify_all();
  }

  mosquitto* client_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool subscribed_ = false;
  std::vector<std::string> lines_;
};

std::vector<std::string> numbered(int begin, int end) {
  std::vector<std::string> lines;
  for (int i = begin; i < end; ++i) lines.push_back("{\"frame\":" + std::to_string(i) + "}");
  return lines;
}

void write(MqttSink& sink, int begin, int end) {
  for (const std::string& line : numbered(begin, end)) sink.write(line);
}

class Mqtt : public testing::Test {
 protected:
  static void SetUpTestSuite() { mosquitto_lib_init(); }
  void SetUp() override {
    if (program_path("mosquitto").empty()) GTEST_SKIP() << "mosquitto isn't installed";
  }

  const TemporaryFolder folder_;
  Program program_{"test", false};
};

TEST_F(Mqtt, LinesArriveInOrderAndAllAreSentBeforeTheEnd) {
  Broker broker(folder_.path);
  broker.start();
  Subscriber subscriber(broker);
  {
    MqttSink sink(program_, parse_mqtt(broker.address()), {});
    write(sink, 0, 300);
  }
  EXPECT_EQ(subscriber.lines(300), numbered(0, 300));
}

TEST_F(Mqtt, LinesWaitForABrokerThatComesBack) {
  Broker broker(folder_.path);
  broker.start();
  Subscriber subscriber(broker);
  MqttSink sink(program_, parse_mqtt(broker.address()), {});
  write(sink, 0, 10);
  EXPECT_EQ(subscriber.lines(10), numbered(0, 10));
  testing::internal::CaptureStderr();
  broker.stop();
  write(sink, 10, 60);
  g_usleep(1'500'000);  // the first try fails meanwhile
  broker.start();
  EXPECT_EQ(subscriber.lines(60), numbered(0, 60));
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_THAT(told, HasSubstr("is lost"));
  EXPECT_THAT(told, HasSubstr("connected to"));
}

TEST_F(Mqtt, UnreachableBrokerIsToldOnceAndTriedAgain) {
  Broker broker(folder_.path);
  testing::internal::CaptureStderr();
  MqttSink sink(program_, parse_mqtt(broker.address()), {});
  write(sink, 0, 3);
  g_usleep(2'500'000);  // two tries
  broker.start();
  Subscriber subscriber(broker);
  EXPECT_THAT(subscriber.lines(3), testing::IsSubsetOf(numbered(0, 3)));
  write(sink, 3, 6);
  for (int i = 0; i < 600 && (subscriber.lines(0).empty() || subscriber.lines(0).back() != numbered(5, 6)[0]);
       ++i)
    g_usleep(100'000);
  EXPECT_EQ(subscriber.lines(0).back(), numbered(5, 6)[0]);
  const std::string told = testing::internal::GetCapturedStderr(), problem = "can't be reached";
  const auto first = told.find(problem);
  ASSERT_NE(first, std::string::npos) << told;
  EXPECT_EQ(told.find(problem, first + 1), std::string::npos) << told;
  EXPECT_THAT(told, HasSubstr("Connection refused"));
}

TEST_F(Mqtt, RefusedPasswordEndsTheProgramAndARightOneWorks) {
  if (program_path("mosquitto_passwd").empty()) GTEST_SKIP() << "mosquitto_passwd isn't installed";
  const std::string passwords = folder_.path / "passwords";
  Child make({program_path("mosquitto_passwd"), "-b", "-c", passwords, "gate", "open sesame"});
  ASSERT_EQ(make.wait(), 0);
  Broker broker(folder_.path, "allow_anonymous false\npassword_file " + passwords + "\n");
  broker.start();
  {
    testing::internal::CaptureStderr();
    {
      MqttSink sink(program_, parse_mqtt(broker.address("gate:open%20sesame@")), {});
      write(sink, 0, 1);
    }
    const std::string told = testing::internal::GetCapturedStderr();
    EXPECT_THAT(told, HasSubstr("connected to"));
    EXPECT_THAT(told, testing::Not(HasSubstr("could not be sent")));
  }
  testing::internal::CaptureStderr();
  const MqttSink sink(program_, parse_mqtt(broker.address("gate:wrong@")), {});
  EXPECT_EQ(program_.run({}), 1);
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_THAT(told, HasSubstr("user name or password refused"));
  EXPECT_THAT(told, testing::Not(HasSubstr("wrong")));
}

TEST_F(Mqtt, TrustsTheGivenAuthorityAndNoOther) {
  if (program_path("openssl").empty()) GTEST_SKIP() << "openssl isn't installed";
  const std::string key = folder_.path / "key.pem", certificate = folder_.path / "certificate.pem";
  Child make({program_path("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
              "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=127.0.0.1",
              "-addext", "subjectAltName=IP:127.0.0.1"});
  ASSERT_EQ(make.wait(), 0) << make.err();
  Broker broker(folder_.path, "allow_anonymous true\nkeyfile " + key + "\ncertfile " + certificate + "\n");
  broker.start();
  MqttAddress address = parse_mqtt(broker.address());
  address.tls = true;
  testing::internal::CaptureStderr();
  {
    MqttSink sink(program_, address, {});
    sink.write("line");
    g_usleep(1'500'000);
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("--mqtt-ca"));
  testing::internal::CaptureStderr();
  {
    MqttSink sink(program_, address, certificate);
    write(sink, 0, 20);
  }
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_THAT(told, HasSubstr("connected to mqtts://"));
  EXPECT_THAT(told, testing::Not(HasSubstr("could not be sent")));
}

}  // namespace
}  // namespace digfusion::pipelines
