import { expect, test } from "bun:test";
import { stuckProcessor } from "./console.ts";

const trace = "[  471.26]  entry_SYSCALL_64_after_hwframe+0x6e/0xd8\n".repeat(40);
const softLockup = "[  447.1] watchdog: BUG: soft lockup - CPU#1 stuck for 48s! [udevadm:412]\n";
const stall = "[  471.2] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n";

test("a processor is stuck when Linux' last words say so", () => {
  expect(stuckProcessor(`[    9.1] booted\n${softLockup}${trace}`)).toBe(
    "BUG: soft lockup - CPU#1 stuck for 48s! [udevadm:412]",
  );
  expect(stuckProcessor(stall + trace)).toBe("INFO: rcu_preempt detected stalls on CPUs/tasks:");
  expect(stuckProcessor(`${stall}${"[  500.0] installed\n".repeat(300)}`)).toBeUndefined();
});

test("a task that waits long for a disk is no stuck processor", () => {
  const hung = "[  242.1] INFO: task umount:88 blocked for more than 120 seconds.\n";
  expect(stuckProcessor(hung + trace + hung)).toBeUndefined();
});
