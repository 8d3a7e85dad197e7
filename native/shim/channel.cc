#include "channel.h"

#include <string.h>
#include <sys/socket.h>

#include "rights.h"

namespace gantry {

void Packet::Receive(int channel) {
  uint8_t bytes[1 + sizeof frame];
  size = ReceiveWithRights(channel, bytes, sizeof bytes, MSG_DONTWAIT, &descriptor, 1);
  if (size <= 0) return;
  kind = ChannelPacket{bytes[0]};
  memcpy(frame, bytes + 1, static_cast<size_t>(size - 1));
}

Frame Packet::Failed() const {
  Frame failed;
  failed.size = static_cast<uint32_t>(size - 1);
  memcpy(failed.bytes, frame, failed.size);
  return failed;
}

}  // namespace gantry
