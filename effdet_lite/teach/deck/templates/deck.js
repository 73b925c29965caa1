// Turns the page into slides, and makes text smaller where it would not fit its slide.
const SMALLEST = 0.6;

function overflows(slide) {
  const body = slide.querySelector(".body");
  return body.scrollHeight > body.clientHeight + 1 || body.scrollWidth > body.clientWidth + 1;
}

function fit(slide) {
  if (!slide || slide.dataset.fits) return;
  for (let scale = 1; scale > SMALLEST && overflows(slide); scale -= 0.05) {
    slide.style.setProperty("--scale", scale);
  }
  slide.dataset.fits = "yes";
}

Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0.02,
  center: false,
  hash: true,
  controls: false,
  progress: true,
  slideNumber: "c/t",
  transition: "none",
  pdfSeparateFragments: false,
  plugins: [RevealNotes],
});
const current = () => fit(Reveal.getCurrentSlide()?.querySelector(".slide"));
Reveal.on("ready", current);
Reveal.on("slidechanged", current);
Reveal.on("pdf-ready", () => document.querySelectorAll(".slide").forEach(fit));
