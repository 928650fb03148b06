#!/bin/bash
# networkd.sh - systemd-networkd renews the leases that init leaves it: minutes of waiting, so beside other tests (network.sh has the parts)
exec bash tests/system/network.sh networkd networkd6
