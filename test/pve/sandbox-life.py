# The life of a sandbox, as python3-proxmoxer leads it: the judge of whether the fake is a Proxmox to others.
# usage: sandbox-life.py HOST PORT CA-FILE USER TOKEN-NAME TOKEN-VALUE ISO-FILE
import json
import sys
import time

from proxmoxer import ProxmoxAPI, ResourceException

host, port, ca, user, name, value, iso = sys.argv[1:]
api = ProxmoxAPI(host, port=int(port), user=user, token_name=name, token_value=value, verify_ssl=ca)
told = {}


def wait(upid):
    task = api.nodes(upid.split(":")[1]).tasks(upid)
    until = time.monotonic() + 20
    status = task.status.get()
    while status["status"] != "stopped" and time.monotonic() < until:
        time.sleep(0.02)
        status = task.status.get()
    if status.get("exitstatus") != "OK":
        raise SystemExit("task %s: %s %s" % (upid, status, task.log.get()))
    return status["type"]


told["version"] = api.version.get()["version"]
node = api.nodes.get()[0]["node"]
vmid = int(api.cluster.nextid.get())
template = [vm for vm in api.cluster.resources.get(type="vm") if vm.get("template") == 1][0]
told["clone"] = wait(api.nodes(node).qemu(template["vmid"]).clone.post(newid=vmid, name="by-proxmoxer", pool="lab"))
vm = api.nodes(node).qemu(vmid)
vm.config.put(cores=2, memory=256, tags="a;b")
told["config"] = {key: vm.config.get()[key] for key in ("name", "cores", "memory", "tags")}
told["resize"] = wait(vm.resize.put(disk="scsi0", size="+1G"))
wait(vm.snapshot.post(snapname="clean", description="before"))
told["snapshots"] = [snapshot["name"] for snapshot in vm.snapshot.get()]
wait(vm.status.start.post())
told["status"] = vm.status.current.get()["status"]
try:
    vm.delete()
except ResourceException as error:
    told["running"] = str(error)
wait(vm.status.stop.post())
wait(vm.snapshot("clean").rollback.post())
wait(vm.snapshot("clean").delete())
told["destroy"] = wait(vm.delete(**{"purge": 1, "destroy-unreferenced-disks": 1}))
try:
    vm.status.current.get()
except ResourceException as error:
    told["gone"] = str(error)
with open(iso, "rb") as file:
    wait(api.nodes(node).storage("local").upload.post(content="iso", filename=file))
told["isos"] = [volume["volid"] for volume in api.nodes(node).storage("local").content.get(content="iso")]
try:
    vm.config.put(cores="two")
except ResourceException as error:
    told["invalid"] = str(error)
print(json.dumps(told))
