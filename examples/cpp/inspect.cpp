// Inspects a picture of raw RGB pixels: inspect ADDRESS MODEL WIDTH HEIGHT FILE
//
// Picture and mask are segments of shared memory: nothing of them goes through the socket.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "edge-agent.grpc.pb.h"

namespace api = AWS::LookoutVision;

// A segment of our own, which is gone when this is.
class Segment {
 public:
  Segment(const std::string& what, size_t size)
      : name_("/example-" + what + "-" + std::to_string(getpid())), size_(size) {
    int descriptor = shm_open(name_.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
    if (descriptor < 0) throw std::runtime_error("no segment " + name_);
    bool grown = ftruncate(descriptor, static_cast<off_t>(size)) == 0;
    void* at = grown ? mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0) : MAP_FAILED;
    close(descriptor);
    if (at == MAP_FAILED) {
      shm_unlink(name_.c_str());
      throw std::runtime_error("no memory for " + name_);
    }
    data = static_cast<uint8_t*>(at);
  }
  ~Segment() {
    munmap(data, size_);
    shm_unlink(name_.c_str());
  }
  Segment(const Segment&) = delete;

  void describe(api::SharedMemoryHandle* handle) const {
    handle->set_name(name_);
    handle->set_size(size_);
  }

  uint8_t* data;

 private:
  std::string name_;
  size_t size_;
};

void check(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

// Starts the model if it does not run, and waits until it does.
void start(api::EdgeAgent::Stub& agent, const std::string& model) {
  for (;;) {
    grpc::ClientContext asking;
    api::DescribeModelRequest request;
    api::DescribeModelResponse found;
    request.set_model_component(model);
    check(agent.DescribeModel(&asking, request, &found));
    const auto& description = found.model_description();
    if (description.status() == api::RUNNING) return;
    if (description.status() == api::FAILED) throw std::runtime_error(description.status_message());
    if (description.status() == api::STOPPED) {
      grpc::ClientContext starting;
      api::StartModelRequest start;
      api::StartModelResponse started;
      start.set_model_component(model);
      check(agent.StartModel(&starting, start, &started));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

int inspect(char** given) {
  const std::string address = given[1], model = given[2];
  const int width = std::atoi(given[3]), height = std::atoi(given[4]);
  const size_t size = size_t(width) * height * 3;
  Segment picture("picture", size), mask("mask", size);
  std::ifstream file(given[5], std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(picture.data), static_cast<std::streamsize>(size)))
    throw std::runtime_error(std::string(given[5]) + " has fewer bytes than the picture");

  auto agent = api::EdgeAgent::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  start(*agent, model);

  api::DetectAnomaliesRequest request;
  request.set_model_component(model);
  request.mutable_bitmap()->set_width(width);
  request.mutable_bitmap()->set_height(height);
  picture.describe(request.mutable_bitmap()->mutable_shared_memory_handle());
  mask.describe(request.mutable_anomaly_mask_params()->mutable_shared_memory_handle());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  api::DetectAnomaliesResponse response;
  check(agent->DetectAnomalies(&context, request, &response));

  const auto& result = response.detect_anomaly_result();
  size_t marked = 0;
  if (result.has_anomaly_mask())
    for (size_t at = 0; at < size; at += 3)
      marked += mask.data[at] != 255 || mask.data[at + 1] != 255 || mask.data[at + 2] != 255;
  std::printf("%s, confidence %.4f, %.2f %% marked\n", result.is_anomalous() ? "anomalous" : "normal",
              result.confidence(), 300.0 * static_cast<double>(marked) / static_cast<double>(size));
  return 0;
}

int main(int count, char** given) {
  if (count != 6) {
    std::fprintf(stderr, "usage: inspect unix:///PATH MODEL WIDTH HEIGHT FILE\n");
    return 2;
  }
  try {
    return inspect(given);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "inspect: %s\n", error.what());
    return 1;
  }
}
