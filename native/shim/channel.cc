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

int Packet::Errno() const {
  FieldReader fields(frame + sizeof(uint32_t), static_cast<size_t>(size - 1) - sizeof(uint32_t));
  uint8_t code;
  uint32_t step;
  Text name;
  int32_t error;
  return fields.Read(&code) && fields.Read(&step) && fields.Read(&name) && fields.Read(&error) ? error : EBADMSG;
}

}  // namespace gantry
