# Sends what udev says when hands change discs, to a program that listens in umockdev's testbed:
#   umockdev-wrapper /usr/bin/python3 udev_events.py PROGRAM [ARGUMENT...]
# Each line of the program's that holds "listening" is answered by the next event. Ends with the
# program's exit code.
import subprocess
import sys

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402

# Which drive, what changed.
EVENTS = [
    [("sr0", {"DISK_MEDIA_CHANGE": "1", "ID_CDROM_MEDIA": "1", "ID_CDROM_MEDIA_STATE": "blank"})],
    [
        ("sr1", {"DISK_MEDIA_CHANGE": "1", "ID_CDROM_MEDIA": "1", "ID_FS_LABEL": "NEIGHBOUR"}),
        ("sr0", {"DISK_EJECT_REQUEST": "1"}),
    ],
    # Both wait before the program looks.
    [
        ("sr0", {"DISK_MEDIA_CHANGE": "1"}),
        (
            "sr0",
            {
                "DISK_MEDIA_CHANGE": "1",
                "ID_CDROM_MEDIA": "1",
                "ID_CDROM_MEDIA_STATE": "complete",
                "ID_FS_LABEL": "0001_PHOTOS",
            },
        ),
    ],
    [("sr1", {"DISK_MEDIA_CHANGE": "1"})],
]


def properties_of(name, more):
    """The lines of a device's `uevent`, which become the event's properties."""
    every = {"DEVTYPE": "disk", "DEVNAME": f"/dev/{name}", "ID_CDROM": "1", **more}
    return "".join(f"{key}={value}\n" for key, value in every.items())


testbed = UMockdev.Testbed.new()
for name in ("sr0", "sr1"):
    testbed.add_from_string(
        f"P: /devices/virtual/block/{name}\nN: {name}\nE: SUBSYSTEM=block\nE: DEVTYPE=disk\n"
        f"E: DEVNAME=/dev/{name}\n\n"
    )

child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
left = iter(EVENTS)
for line in child.stdout:
    sys.stdout.write(line)
    if "listening" in line:
        for name, properties in next(left):
            place = f"/sys/devices/virtual/block/{name}"
            testbed.set_attribute(place, "uevent", properties_of(name, properties))
            testbed.uevent(place, "change")
sys.exit(child.wait())
