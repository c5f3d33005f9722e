// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/mqtt.h"

#include <glib.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {

namespace {

constexpr int most_unacknowledged = 20;
constexpr int keep_alive = 30;     ///< seconds between signs of life
constexpr int loop_patience = 50;  ///< milliseconds that a line may wait for the thread
constexpr auto connect_patience = std::chrono::seconds(10);
constexpr auto end_patience = std::chrono::seconds(2);

std::string text_of(const char* text) { return text ? text : std::string(); }

struct UriUnref {
  void operator()(GUri* uri) const { g_uri_unref(uri); }
};

/// The library is started once and never stopped: other clients may be in use.
void start_library() {
  static const int started = mosquitto_lib_init();
  if (started != MOSQ_ERR_SUCCESS)
    throw Failure(std::string("libmosquitto can't be started: ") + mosquitto_strerror(started));
}

/// After a call that returned `error`.
std::string describe(int error) {
  return error == MOSQ_ERR_ERRNO ? std::strerror(errno) : mosquitto_strerror(error);
}

}  // namespace

std::string MqttAddress::text() const {
  return (tls ? "mqtts://" : "mqtt://") + host + ":" + std::to_string(port) + "/" + topic;
}

MqttAddress parse_mqtt(std::string_view text) {
  const auto refuse = [&](const std::string& why) {
    return UsageFailure("--mqtt " + without_passwords(text) + ": " + why +
                        "; expected is mqtt://USER:PASSWORD@HOST:PORT/TOPIC or mqtts://…");
  };
  const std::unique_ptr<GUri, UriUnref> uri(
      g_uri_parse(std::string(text).c_str(), G_URI_FLAGS_HAS_PASSWORD, nullptr));
  if (!uri) throw refuse("not an address");
  MqttAddress address;
  const std::string scheme = g_uri_get_scheme(uri.get());
  if (scheme != "mqtt" && scheme != "mqtts") throw refuse("not an MQTT address");
  address.tls = scheme == "mqtts";
  address.host = text_of(g_uri_get_host(uri.get()));
  if (address.host.empty()) throw refuse("the host is missing");
  const int default_port = address.tls ? 8883 : 1883;
  address.port = g_uri_get_port(uri.get()) > 0 ? g_uri_get_port(uri.get()) : default_port;
  address.user = text_of(g_uri_get_user(uri.get()));
  address.password = text_of(g_uri_get_password(uri.get()));
  address.topic = text_of(g_uri_get_path(uri.get()));
  address.topic.erase(0, address.topic.starts_with('/') ? 1 : 0);
  if (address.topic.empty()) throw refuse("the topic is missing");
  if (g_uri_get_fragment(uri.get()) || mosquitto_pub_topic_check(address.topic.c_str()) != MOSQ_ERR_SUCCESS)
    throw refuse("a topic to publish to has no + and no #");
  if (g_uri_get_query(uri.get())) throw refuse("a ? in a topic is written %3F");
  return address;
}

MqttSink::MqttSink(Program& program, const MqttAddress& address, const std::string& authority)
    : program_(program), address_(address), back_off_(std::random_device()()) {
  start_library();
  client_.reset(mosquitto_new(nullptr, true, this));
  if (!client_) throw Failure("the MQTT client can't be made: out of memory");
  const auto check = [&](int error, const std::string& what) {
    if (error != MOSQ_ERR_SUCCESS) throw Failure(what + ": " + describe(error));
  };
  if (!address.user.empty())
    check(mosquitto_username_pw_set(client_.get(), address.user.c_str(),
                                    address.password.empty() ? nullptr : address.password.c_str()),
          "--mqtt " + address.text());
  if (!authority.empty())
    check(mosquitto_tls_set(client_.get(), authority.c_str(), nullptr, nullptr, nullptr, nullptr),
          "--mqtt-ca " + authority);
  else if (address.tls)
    check(mosquitto_int_option(client_.get(), MOSQ_OPT_TLS_USE_OS_CERTS, 1), "--mqtt " + address.text());
  mosquitto_connect_callback_set(client_.get(), [](mosquitto*, void* self, int code) {
    static_cast<MqttSink*>(self)->on_connect(code);
  });
  mosquitto_disconnect_callback_set(
      client_.get(), [](mosquitto*, void* self, int) { static_cast<MqttSink*>(self)->connected_ = false; });
  mosquitto_publish_callback_set(
      client_.get(), [](mosquitto*, void* self, int) { --static_cast<MqttSink*>(self)->unacknowledged_; });
  thread_ = std::thread([this] { run(); });
}

MqttSink::~MqttSink() {
  deadline_ = (Clock::now() + end_patience).time_since_epoch().count();
  queue_.close();
  thread_.join();
}

bool MqttSink::is_done() const {
  if (refused_) return true;
  const Clock::rep deadline = deadline_;
  if (deadline == 0) return false;
  return (queue_.is_over() && unacknowledged_ == 0) || Clock::now().time_since_epoch().count() > deadline;
}

void MqttSink::run() {
  bool first = true;
  while (!is_done()) {
    int error = std::exchange(first, false)
                    ? mosquitto_connect_async(client_.get(), address_.host.c_str(), address_.port, keep_alive)
                    : mosquitto_reconnect_async(client_.get());
    if (error == MOSQ_ERR_SUCCESS) error = stay_connected();
    connected_ = false;
    if (is_done()) break;
    tell(error);
    // The lines stay in the queue meanwhile.
    const auto again = Clock::now() + back_off_.next();
    while (deadline_ == 0 && Clock::now() < again)
      std::this_thread::sleep_for(std::chrono::milliseconds(loop_patience));
    if (deadline_ != 0) break;
  }
  mosquitto_disconnect(client_.get());
  if (refused_) return;
  std::string line;
  std::size_t unsent = unacknowledged_ + queue_.take_dropped();
  while (queue_.pop(line, {})) ++unsent;
  if (unsent > 0) program_.warn(std::to_string(unsent) + " lines could not be sent to " + address_.text());
}

int MqttSink::stay_connected() {
  const auto give_up = Clock::now() + connect_patience;
  while (!is_done()) {
    if (const int error = mosquitto_loop(client_.get(), loop_patience, 1); error != MOSQ_ERR_SUCCESS)
      return error;
    if (connected_)
      send_waiting();
    else if (Clock::now() > give_up) {
      errno = ETIMEDOUT;
      return MOSQ_ERR_ERRNO;
    }
  }
  return MOSQ_ERR_SUCCESS;
}

void MqttSink::send_waiting() {
  std::string line;
  while (connected_ && unacknowledged_ < most_unacknowledged && queue_.pop(line, {})) {
    const int error = mosquitto_publish(client_.get(), nullptr, address_.topic.c_str(),
                                        static_cast<int>(line.size()), line.data(), 1, false);
    // Without a connection the library keeps the message and sends it after the next one is made.
    if (error == MOSQ_ERR_SUCCESS || error == MOSQ_ERR_NO_CONN || error == MOSQ_ERR_CONN_LOST)
      ++unacknowledged_;
    else
      program_.warn("a line could not be sent to " + address_.text() + ": " + describe(error));
  }
}

void MqttSink::on_connect(int code) {
  constexpr int bad_credentials = 4, not_authorised = 5;  // of MQTT 3.1.1
  if (code == 0) {
    connected_ = true;
    back_off_.reset();
    const std::size_t dropped = queue_.take_dropped();
    if (std::exchange(told_, false) || !was_connected_)
      program_.say("connected to " + address_.text() +
                   (dropped > 0 ? "; " + std::to_string(dropped) + " lines were dropped meanwhile" : ""));
    was_connected_ = true;
  } else if ((code == bad_credentials || code == not_authorised) && !was_connected_) {
    // Trying on would lock the account.
    refused_ = true;
    program_.fail(address_.text() + ": user name or password refused");
  }
}

void MqttSink::tell(int error) {
  if (std::exchange(told_, true)) return;
  std::string why = describe(error);
  if (error == MOSQ_ERR_TLS) why = "no secure connection; is its certificate trusted? (--mqtt-ca FILE)";
  program_.warn(address_.text() + (was_connected_ ? " is lost: " : " can't be reached: ") + why +
                "; will be tried again, and lines wait meanwhile");
}

}  // namespace digfusion::pipelines
