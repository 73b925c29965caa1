// Makes the letters smaller until the sheet holds all of them.
const LARGEST = 11;
const SMALLEST = 7; // points

function fit() {
  const sheet = document.querySelector(".sheet");
  for (let size = LARGEST; size >= SMALLEST; size -= 0.25) {
    document.documentElement.style.setProperty("--size", `${size}pt`);
    if (sheet.scrollHeight <= sheet.clientHeight) break;
  }
}

window.addEventListener("load", fit);
