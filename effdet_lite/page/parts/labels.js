// Labels beside a picture, in three common formats, and what the detector's boxes are worth by them.

const RIGHT_IOU = 0.5;

// {objects: [{box, label}], leftOut} of a label file for a picture; throws a sentence.
function readLabels(name, text, picture, classes) {
  const ending = name.toLowerCase().split(".").pop();
  const readers = { xml: readVoc, json: readCoco, txt: readYolo };
  const named = readers[ending](text, picture, classes);
  const objects = named
    .map(({ box, name, skip }) => ({ box, label: skip ? -1 : classes.indexOf(name) }))
    .filter(({ box, label }) => label >= 0 && box[2] > box[0] && box[3] > box[1]);
  return { objects, leftOut: named.length - objects.length };
}

// One XML file of Pascal VOC. Objects marked difficult are left out.
function readVoc(text) {
  const tree = new DOMParser().parseFromString(text, "text/xml");
  if (tree.querySelector("parsererror")) {
    throw new Error("it is not XML");
  }
  const said = (thing, path) => thing.querySelector(path)?.textContent.trim() ?? "";
  return [...tree.querySelectorAll("object")].map((thing) => ({
    box: ["xmin", "ymin", "xmax", "ymax"].map((side) => Number(said(thing, `bndbox > ${side}`))),
    name: said(thing, "name"),
    skip: said(thing, "difficult") === "1",
  }));
}

// A COCO file of many pictures: those of the one with this picture's name. Crowds are left out.
function readCoco(text, picture) {
  const whole = JSON.parse(text);
  if (!Array.isArray(whole.images) || !Array.isArray(whole.annotations)) {
    throw new Error('it has no "images" and "annotations"');
  }
  const isThis = ({ file_name: name }) => name.split(/[\\/]/).pop() === picture.name;
  const image = whole.images.find(isThis);
  if (!image) {
    throw new Error(`it knows no picture ${picture.name}`);
  }
  const names = new Map(whole.categories.map(({ id, name }) => [id, name]));
  return whole.annotations
    .filter((one) => one.image_id === image.id)
    .map(({ bbox: [left, top, width, height], category_id: id, iscrowd }) => ({
      box: [left, top, left + width, top + height],
      name: names.get(id),
      skip: Boolean(iscrowd),
    }));
}

// YOLO's lines: number of the class, center, width and height as shares of the picture.
function readYolo(text, { width, height }, classes) {
  const lines = text.split("\n").filter((line) => line.trim());
  return lines.map((line) => {
    const [number, x, y, w, h] = line.trim().split(/\s+/).map(Number);
    if (![number, x, y, w, h].every(Number.isFinite)) {
      throw new Error(`"${line.trim().slice(0, 40)}" is not a class and four numbers`);
    }
    const box = [(x - w / 2) * width, (y - h / 2) * height];
    box.push((x + w / 2) * width, (y + h / 2) * height);
    return { box, name: classes[number] };
  });
}

function iou(one, other) {
  const wide = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const high = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  const shared = Math.max(0, wide) * Math.max(0, high);
  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
  return shared / (area(one) + area(other) - shared);
}

// Each box, best first, is "right", "double" or "wrong"; and the objects without a right box.
function judge(found, objects) {
  const free = new Set(objects);
  const kinds = found.map(({ box, label }) => {
    const near = objects
      .filter((object) => object.label === label && iou(box, object.box) >= RIGHT_IOU)
      .sort((one, other) => iou(box, other.box) - iou(box, one.box));
    const taken = near.find((object) => free.delete(object));
    return taken ? "right" : near.length ? "double" : "wrong";
  });
  return { kinds, missed: objects.filter((object) => free.has(object)) };
}
