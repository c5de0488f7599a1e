#!/usr/bin/env bash
# A folder of images
set -euo pipefail

# 600 digits of 8 x 8 pixels, each in the folder of its class.
python -c "
from pathlib import Path
from PIL import Image
from sklearn.datasets import load_digits
digits = load_digits()
for i, (image, digit) in enumerate(zip(digits.images[:600], digits.target)):
    Path('digits', str(digit)).mkdir(parents=True, exist_ok=True)
    Image.fromarray((image * 255 / 16).round().astype('uint8')).save(f'digits/{digit}/{i:04d}.png')
"

# Which groups are they in? Their folders are compared with them.
vae-moe cluster digits --components 10

# Another image.
vae-moe predict digits-clusters digits/3/0003.png --out -

# Of which folder is an image?
vae-moe experts digits --experts 4
