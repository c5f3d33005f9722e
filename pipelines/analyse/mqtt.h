// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Lines to an MQTT broker, by libmosquitto.
#pragma once

#include <mosquitto.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "pipelines/analyse/line_sink.h"
#include "pipelines/common/camera.h"
#include "pipelines/common/program.h"

namespace digfusion::pipelines {

struct MqttAddress {
  bool tls = false;
  std::string host, topic;
  int port = 1883;
  std::string user, password;  ///< may be empty

  std::string text() const;  ///< for messages: without the password
};

/// mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC, mqtts:// (port 8883). Throws UsageFailure.
MqttAddress parse_mqtt(std::string_view text);

/// Publishes each line as a message of quality of service 1. All of MQTT happens in a thread of its own; the
/// pictures never wait for it. A broker that can't be reached, at the start or later, is tried again
/// (BackOff), which is said once; 1000 lines wait for it, then the oldest are dropped. A user name or
/// password refused at the start ends the program.
class MqttSink : public LineSink {
 public:
  /// `authority`: a file with the certificates to trust; empty: the system's. Throws Failure.
  MqttSink(Program& program, const MqttAddress& address, const std::string& authority);
  ~MqttSink() override;  ///< sends what is left, for at most two seconds
  MqttSink(const MqttSink&) = delete;
  MqttSink& operator=(const MqttSink&) = delete;
  void write(std::string line) override { queue_.push(std::move(line)); }
  void close() override { queue_.close(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Destroy {
    void operator()(mosquitto* client) const { mosquitto_destroy(client); }
  };

  void run();
  int stay_connected();  ///< until the connection is lost, or all is done; mosquitto's error code
  void send_waiting();
  bool is_done() const;
  void on_connect(int code);
  void tell(int error);

  // Of the thread.
  Program& program_;
  const MqttAddress address_;
  std::unique_ptr<mosquitto, Destroy> client_;
  BackOff back_off_;
  bool connected_ = false, was_connected_ = false, told_ = false, refused_ = false;
  int unacknowledged_ = 0;

  // Of all threads.
  LineQueue queue_{Full::drop_oldest};
  std::atomic<Clock::rep> deadline_{0};  ///< after which the thread ends in any case; 0: not ending
  std::thread thread_;
};

}  // namespace digfusion::pipelines
