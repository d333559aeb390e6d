#!/bin/bash
# Installs packages into an overlay over a root file system: install.sh WORK PACKAGE...
# WORK holds lower (the file system), upper (gets the changes), overlay and root (empty). Runs in a mount and pid
# namespace of its own, so that nothing stays mounted or running whatever happens.
set -euo pipefail
work=$1
shift
cd "$work"
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=overlay root
mount -t proc proc root/proc
mount --rbind /dev root/dev
cp --dereference /etc/resolv.conf root/etc/resolv.conf
# The machine's own way to the archive: proxies, credentials.
cp --recursive --no-clobber /etc/apt/apt.conf.d/. root/etc/apt/apt.conf.d/
printf '#!/bin/sh\nexit 101\n' >root/usr/sbin/policy-rc.d
chmod +x root/usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
chroot root apt-get -q update
chroot root apt-get -q install --yes --no-install-recommends \
  -o Dpkg::Options::=--path-exclude=/usr/share/doc/* -o Dpkg::Options::=--path-exclude=/usr/share/man/* \
  -o Dpkg::Options::=--path-exclude=/usr/share/locale/* "$@"
chroot root apt-get -q clean
rm -rf root/usr/sbin/policy-rc.d root/var/lib/apt/lists
rm -rf root/etc/apt/apt.conf.d
umount --lazy --recursive root/dev root/proc
umount root
