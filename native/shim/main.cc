// gantry-shim: started by a host program with the launch socket as descriptor 3 and room for the container's id as its
// argument, which is for people who look at the list of processes; or else to run a program in a user namespace or to
// tell whether a mount can be idmapped.
#include <string.h>

#include <new>

#include "daemon.h"
#include "guardian.h"
#include "idmap-trial.h"
#include "user-namespace-program.h"

// Not on the stack, of which the kernel would then hold every page that its buffers pass over.
alignas(gantry::Guardian) static char place[sizeof(gantry::Guardian)];

int main(int argc, char** argv) {
  if (argc > 3 && strcmp(argv[1], "in-user-namespace") == 0) gantry::RunInUserNamespace(argv + 2, argv + argc + 1);
  if (argc == 4 && strcmp(argv[1], "try-idmap") == 0) return gantry::TryIdmap(argv[2], *argv[3] == '1');
  gantry::Daemonise();
  char none[] = "";
  auto* guardian = new (place) gantry::Guardian(gantry::Fd(gantry::kHostSocket), argc > 1 ? argv[1] : none);
  guardian->Run(gantry::kHostSocket);
}
