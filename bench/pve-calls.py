# The same work as pve-calls.ts with python3-proxmoxer, a thread for each of those who call at once.
import json
import resource
import sys
import threading
import time

from proxmoxer import ProxmoxAPI

work, place, ca, token, count = sys.argv[1:]
host, port = place.rsplit(":", 1)
user, rest = token.split("!", 1)
name, value = rest.split("=", 1)
total = int(count)


def connect():
    return ProxmoxAPI(host, port=int(port), user=user, token_name=name, token_value=value, verify_ssl=ca)


def together(jobs):
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def calls(callers):
    def one():
        status = connect().nodes("pve1").qemu(101).status.current
        for _ in range(total // callers):
            status.get()

    together([one] * callers)


def waits(callers=16):
    def one():
        api = connect()
        upids = [api.nodes("pve1").vzdump.post(vmid=101, storage="store2") for _ in range(total // callers)]
        for upid in upids:
            while api.nodes("pve1").tasks(upid).status.get()["status"] != "stopped":
                time.sleep(1)

    together([one] * callers)


warm = connect().nodes("pve1").qemu(101).status.current
for _ in range(200):
    warm.get()
before = resource.getrusage(resource.RUSAGE_SELF)
began = time.monotonic()
if work == "waits":
    waits()
else:
    calls(int(work))
seconds = time.monotonic() - began
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
# Not ru_maxrss, which begins with that of the process that started this one.
with open("/proc/self/status") as status:
    peak = [int(line.split()[1]) for line in status if line.startswith("VmHWM")][0]
print(json.dumps({"seconds": seconds, "cpuSeconds": cpu, "peakBytes": peak * 1024}))
