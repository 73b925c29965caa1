# Install the course from this kit, without the internet.
#   from a stick:               powershell -ExecutionPolicy ByPass -File E:\install.ps1 [FOLDER]
#   from a teacher's machine:   $env:KIT = 'http://ADDRESS:8000'; irm $env:KIT/install.ps1 | iex
# FOLDER, by default effdet_lite in your home folder, must be empty or not be there.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'  # its bar makes PowerShell 5.1 fetch many times slower

function Stop-Here($words) {
  Write-Host "install: $words"
  throw 'The course was not installed.'
}

$kit = $env:KIT
if (-not $kit) { $kit = $PSScriptRoot }
if (-not $kit) { Stop-Here 'say where the kit is: $env:KIT = ''http://ADDRESS:8000''' }
$kit = $kit.TrimEnd('/', '\')
$remote = $kit -match '^https?://'
$folder = Join-Path $HOME 'effdet_lite'
if ($args.Count -gt 0) { $folder = $args[0] }

if (-not [Environment]::Is64BitOperatingSystem -or $env:PROCESSOR_ARCHITECTURE -eq 'ARM64') {
  Stop-Here "no kit has packages for this processor ($env:PROCESSOR_ARCHITECTURE): share a screen in the room."
}
if ('@SYSTEMS@' -split ' ' -notcontains 'windows') {
  Stop-Here 'this kit was made for @SYSTEMS@, and not for windows: ask for another one.'
}

$tools = Join-Path $folder '.tools'
New-Item -ItemType Directory -Force -Path $tools | Out-Null
$folder = (Resolve-Path $folder).Path
$tools = Join-Path $folder '.tools'

function Bring($name) {
  $target = Join-Path $tools (Split-Path $name -Leaf)
  if ($remote) { Invoke-WebRequest -UseBasicParsing -Uri "$kit/$name" -OutFile $target }
  else { Copy-Item (Join-Path $kit $name) $target -Force }
}

Bring 'uv/windows/uv.exe'
Bring 'install.py'
$uv = Join-Path $tools 'uv.exe'
$mirror = if ($remote) { "$kit/python" } else { ([Uri](Join-Path $kit 'python')).AbsoluteUri }
$env:UV_NO_CONFIG = '1'
$env:UV_CACHE_DIR = Join-Path $folder '.uv-cache'
$env:UV_PYTHON_INSTALL_DIR = Join-Path $folder '.python'

# uv tells of what it does on its second output, which PowerShell 5.1 would take for an error.
$ErrorActionPreference = 'Continue'
$python = $null
foreach ($version in '@PYTHONS@' -split ' ') {
  if ($python) { break }
  $found = & $uv python find --no-project --no-python-downloads --system $version 2>$null
  if ($LASTEXITCODE -eq 0) { $python = $found }
}
foreach ($version in '@PYTHONS@' -split ' ') {
  if ($python) { break }
  $env:UV_PYTHON_INSTALL_MIRROR = $mirror
  & $uv python install --no-bin $version
  if ($LASTEXITCODE -eq 0) { $python = & $uv python find --no-project --no-python-downloads $version }
}
if (-not $python) {
  Stop-Here 'there is no Python here of @PYTHONS@, and the kit brings none: install one of them first.'
}

& $python (Join-Path $tools 'install.py') --kit $kit --folder $folder --system windows --uv $uv
$status = $LASTEXITCODE
Remove-Item -Recurse -Force $tools
if ($status -ne 0) { Stop-Here 'a line above says why.' }
